"""The bits of a position's status, as the loops take them."""

import numpy as np

from geo.positions import Status

FIX = np.uint32(Status.FIX_VALID)
ON, KNOWN = np.uint32(Status.IGNITION_ON), np.uint32(Status.IGNITION_KNOWN)
DUPLICATE, TELEPORT = np.uint32(Status.DUPLICATE_TIME), np.uint32(Status.TELEPORT)
FROZEN, RANGE, CLOCK = np.uint32(Status.FROZEN), np.uint32(Status.OUT_OF_RANGE), np.uint32(Status.CLOCK)
CANYON, DRIFT = np.uint32(Status.CANYON), np.uint32(Status.DRIFT)
MISPLACED = np.uint32(TELEPORT | RANGE)
DOUBT = np.uint32(DUPLICATE | TELEPORT | FROZEN | RANGE | CLOCK | CANYON | DRIFT)
JUDGED = np.uint32(FIX | DOUBT)
