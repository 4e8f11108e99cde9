"""The evidence bundle of a case: one zip that can be read, printed and checked offline."""
