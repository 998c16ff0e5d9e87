# What this notebook needs. Run this cell first.
from dataclasses import replace


def part(explanation, *names):
    """Return the parts of an explanation that are wanted: by their kind, or by how their titles begin."""
    wanted = [s for s in explanation.sections if s.kind in names or s.title.startswith(names)]
    return replace(explanation, title=wanted[0].title, sections=tuple(wanted))


def lines(explanation, *names):
    """Return the lines of an explanation that make these numbers."""
    wanted = {explanation.notation.text(line.name): line for line in reversed([*explanation.lines()])}
    section = explanation.sections[0]._replace(title="", items=tuple(wanted[name] for name in names))
    return replace(explanation, title="", sections=(section,))


def table(explanation, caption, columns=None):
    """Return the table of an explanation whose caption begins so, or its first columns only."""
    items = [item for section in explanation.sections for item in section.items]
    wanted = next(item for item in items if getattr(item, "caption", "").startswith(caption))
    rows = tuple(row[:columns] for row in wanted.rows)
    section = explanation.sections[0]._replace(
        title="", items=(wanted._replace(head=wanted.head[:columns], rows=rows),)
    )
    return replace(explanation, title="", sections=(section,))
