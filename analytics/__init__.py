"""The vectorised core: clean → stops and trips → features → rollups. Columns in, columns out."""
