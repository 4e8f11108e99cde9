"""NMEA 0183: lines, sentences, and fixes assembled across the sentences of one epoch. Pure: bytes in, fixes out."""

from ingest.nmea.epoch import EpochAssembler, Fix
from ingest.nmea.lines import LineSplitter
from ingest.nmea.sentence import Sentence, read_sentence

__all__ = ["EpochAssembler", "Fix", "LineSplitter", "Sentence", "read_sentence"]
