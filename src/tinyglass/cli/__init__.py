"""The command line: one verb for each public function.

A verb is a module that offers ``add_verb``, and stands in `parser.VERBS`. Options for settings
are made from `tinyglass.settings.Settings`; everything heavy is imported by the verb that needs
it, so that ``--help`` answers at once.
"""

from .parser import make_parser
from .running import main

__all__ = ["main", "make_parser"]
