"""Readers that the rows of dialects are made of: scaled numbers, fields, lists, items within an item."""

from collections.abc import Callable, Mapping
from typing import Any

from ingest.jt808.items import Item, layered, uint
from ingest.jt808.values import Cursor

Reader = Callable[[bytes], Any]


def per(count: int, offset: float = 0, none: int | None = None) -> Reader:
    """What reads an unsigned number of which `count` make one, from `offset`; None where it is `none`."""
    return lambda value: None if (raw := uint(value)) == none else round(raw / count + offset, 6)


def each(size: int, read: Reader) -> Reader:
    """What reads values of `size` bytes that follow each other."""

    def read_all(value: bytes) -> list[Any]:
        if len(value) % size:
            raise ValueError(f"expected a multiple of {size} bytes, got {len(value)}")
        return [read(value[at : at + size]) for at in range(0, len(value), size)]

    return read_all


def fields(*parts: tuple[str, int, Reader]) -> Reader:
    """What reads (name, bytes, reader) one after the other; ValueError unless they fill the item."""

    def read(value: bytes) -> dict[str, Any]:
        if len(value) != sum(size for _, size, _ in parts):
            raise ValueError("the fields do not fill the item")
        cursor = Cursor(value)
        return {name: take(cursor.take(size)) for name, size, take in parts}

    return read


def counted(size: int, read: Reader) -> Reader:
    """What reads a count BYTE and that many values of `size` bytes."""

    def read_counted(value: bytes) -> list[Any]:
        if len(value) != 1 + value[0] * size:
            raise ValueError("the count does not fill the item")
        return list(each(size, read)(value[1:]))

    return read_counted


def sub_items(items: tuple[Item, ...], *, length_first: bool) -> Reader:
    """What reads items with ids WORD inside one: (length WORD of id and value, id, value) or (id, length BYTE, value)."""
    rows = layered(items, {})

    def read(value: bytes) -> dict[str, Any]:
        cursor = Cursor(value)
        found: dict[str, Any] = {}
        while cursor.left:
            length = cursor.uint(2) - 2 if length_first else 0
            if length < 0:
                raise ValueError("a length that does not hold its id")
            number = cursor.uint(2)
            raw = cursor.take(length if length_first else cursor.uint(1))
            row = rows.get((number, len(raw))) or rows.get((number, None))
            if row and row.key not in found:
                found[row.key] = row.read(raw)
            else:
                found[f"item_{number:04x}"] = raw.hex()
        return found

    return read


def choice(names: Mapping[int, str]) -> Reader:
    """What reads a number that stands for a word."""
    return lambda value: names.get(uint(value), str(uint(value)))


def sign_and_size(*none: int) -> Reader:
    """What reads tenths with the sign in bit 15; None where they are one of `none`, which stand for no sensor."""

    def read(value: bytes) -> float | None:
        raw = uint(value)
        return None if raw in none else (-1 if raw & 0x8000 else 1) * (raw & 0x7FFF) / 10

    return read


def battery(value: bytes) -> dict[str, Any]:
    """Per cent, of which 0xff means that it is being charged."""
    return {"charging": True} if value[0] == 0xFF else {"battery_pct": value[0]}


def cells(value: bytes) -> dict[str, Any]:
    """mcc, mnc WORD, then cells of area WORD, cell DWORD, signal BYTE; a single one may lack the signal."""
    cursor = Cursor(value)
    found: dict[str, Any] = {"mcc": cursor.uint(2), "mnc": cursor.uint(2), "cells": []}
    while cursor.left:
        cell = {"area": cursor.uint(2), "cell": cursor.uint(4)}
        found["cells"].append(cell | ({"signal": cursor.uint(1)} if cursor.left else {}))
    return found


def cell(area_bytes: int, cell_bytes: int) -> Reader:
    """What reads one cell: mcc WORD, mnc BYTE, area, cell, signal BYTE."""
    return fields(
        ("mcc", 2, uint), ("mnc", 1, uint), ("area", area_bytes, uint), ("cell", cell_bytes, uint), ("signal", 1, uint)
    )


def cleared(names: Mapping[int, str]) -> Reader:
    """Names of the bits that are not set: the vendor sets all as long as all is well."""
    return lambda value: [name for bit, name in names.items() if not uint(value) >> bit & 1]
