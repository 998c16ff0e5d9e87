"""Worksheets: a step of training with blanks, and the grading of what a learner filled in.

::

    problem   a step of a run, of the course, or of a sheet's own file
    sheet     its lines, some of them blank
    writing   as HTML, LaTeX or TOML, and the solution
    answers   what a learner wrote
    grading   line by line, each error once, with its likely cause
"""

from .answers import match, read_filled
from .files import find_sheet
from .grading import Grading, grade
from .problem import Problem, course_problem, run_problem
from .sheet import Sheet, make_sheet
from .writing import write

__all__ = [
    "Grading",
    "Problem",
    "Sheet",
    "course_problem",
    "find_sheet",
    "grade",
    "make_sheet",
    "match",
    "read_filled",
    "run_problem",
    "write",
]
