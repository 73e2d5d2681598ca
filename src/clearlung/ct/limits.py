"""How much of the machine one input may take before it is refused."""

from __future__ import annotations

from dataclasses import dataclass

GIB = 1 << 30

# The largest scan that anybody plans on: 2000 slices of 1024 x 1024. A header that asks for more is damaged.
MAX_VOXELS = 2000 << 20
# The images of a long study with a dozen reconstructions are some 20,000; a disk given by mistake has more.
MAX_FILES = 50_000


@dataclass(frozen=True)
class IntakeLimits:
    """What reading one input may take; the defaults suit a study of 2000 slices.

    Parameters
    ----------
    seconds
        Wall clock time of the process that reads. 400 slices take 3 s, 2000 from a slow network share
        minutes.
    memory_bytes
        Address space of the process that reads (where the system can limit it: not on macOS and Windows).
        2000 slices of 512 x 512 are 1 GiB of voxels, and decoding them holds up to four times that.
    members
        Files in one archive.
    unpacked_bytes
        Size of an archive's members together, unpacked: a study with several reconstructions.
    ratio
        Unpacked over packed size. Images of a chest pack to a half or a third, empty ones to a hundredth;
        deflate reaches 1032 on zeros alone, which is what a bomb is made of.
    ratio_free_bytes
        Unpacked size below which any ratio will do: a few empty images harm nobody.
    """

    seconds: float = 300.0
    memory_bytes: int = 8 * GIB
    members: int = MAX_FILES
    unpacked_bytes: int = 16 * GIB
    ratio: float = 100.0
    ratio_free_bytes: int = 64 << 20
