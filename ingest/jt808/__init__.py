"""JT/T 808 (2011, 2013, 2019): frames, messages and answers. Pure: bytes in, messages out."""

from ingest.jt808.decode import Message, decode
from ingest.jt808.frame import FrameSplitter, escape, unescape
from ingest.jt808.header import Header
from ingest.jt808.parts import PartStore

__all__ = ["FrameSplitter", "Header", "Message", "PartStore", "decode", "escape", "unescape"]
