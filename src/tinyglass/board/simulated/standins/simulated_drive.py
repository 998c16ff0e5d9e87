"""The drive as a program on the simulated kit sees it. Runs in MicroPython.

A board starts anew when the PC writes to its drive, not when its own program does: so the names of the
files that the program changes are told to the PC's end, in a file of the world.
"""

import os

import vfs

READ_ONLY = 30  # EROFS


class Drive:
    def __init__(self, folder, is_read_only):
        self.files = vfs.VfsPosix(folder)
        self.world = vfs.VfsPosix(os.getenv("TINYGLASS_WORLD"))
        self.is_read_only = is_read_only

    def mount(self, readonly, mkfs):
        pass

    def umount(self):
        pass

    def open(self, path, mode):
        if set(mode) & set("wax+"):
            self.change(path)
        return self.files.open(path, mode)

    def remove(self, path):
        self.change(path)
        self.files.remove(path)

    def rename(self, old, new):
        self.change(old)
        self.change(new)
        self.files.rename(old, new)

    def mkdir(self, path):
        self.change(path)
        self.files.mkdir(path)

    def rmdir(self, path):
        self.change(path)
        self.files.rmdir(path)

    def change(self, path):
        """Refuse to change a file, or tell that it changes."""
        if self.is_read_only:
            raise OSError(READ_ONLY)
        if path[:1] != "/":
            path = self.files.getcwd() + "/" + path
        with self.world.open("/changed", "a") as file:
            file.write(path + "\n")

    def __getattr__(self, name):
        return getattr(self.files, name)
