"""Worksheets: a step of training with blanks, and the grading of what a learner filled in.

::

    problem   a step of a run, of the course, or of a sheet's own file
    sheet     its lines, some of them blank
    writing   as HTML, LaTeX or TOML, and the solution
    answers   what a learner wrote
    grading   line by line, each error once, with its likely cause
"""
