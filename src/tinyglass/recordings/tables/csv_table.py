"""CSV with a line of heads, by blocks of lines."""

from __future__ import annotations

import csv
import warnings
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO, StringIO
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from ...errors import RecordingError
from ..source import HEAD, LONGEST_LINE, UTF_16, Source, decode
from . import cells
from .table import MISSING, SAMPLE, Batch, Table, clock

if TYPE_CHECKING:
    import polars as pl

BLOCK = 2**23  # bytes of text in a batch, at most
SAVED = b"recording,time_s,"  # how a saved table begins: its texts may hold anything, zero bytes too


@dataclass(frozen=True, eq=False)
class CsvTable(Table):
    """A table of text with a line of heads."""

    separator: str
    decimal_comma: bool
    n_head_lines: int
    place = "line"

    def batches(self, numbers: Collection[int], texts: Collection[int], exact: bool) -> Iterator[Batch]:
        line, done = self.n_head_lines + 1, 0
        with _lines_of(self.source) as stream:
            for _ in range(self.n_head_lines):
                done += len(stream.readline())
            size = min(BLOCK, max(LONGEST_LINE, self.source.size // 64))
            for block in _blocks(stream, size, self.source):
                frame, lines = self._parsed(block, line, set(numbers), exact)
                line += block.count(b"\n")
                done += len(block)
                kept = [str(i) for i in sorted({*numbers, *texts})]
                yield Batch(frame.select(kept), lines, min(1.0, done / (self.source.size or 1)))

    def _parsed(
        self, block: bytes, line: int, numbers: set[int], exact: bool
    ) -> tuple[pl.DataFrame, np.ndarray]:
        import polars as pl

        try:
            block.decode()
        except UnicodeDecodeError:
            block = block.decode("latin-1").encode()
        frame = self._frame(block, line, numbers)
        n_lines = block.count(b"\n") + (not block.endswith(b"\n"))
        lines = line + (
            np.arange(frame.height) if frame.height == n_lines else self._starts(block, frame.height)
        )
        width = len(self.heads)
        texts = [pl.col(str(i)) for i in range(width) if i not in numbers]
        if not exact:
            frame = frame.with_columns(_stripped(text) for text in texts)
        holes = frame.select(pl.all_horizontal(pl.all().is_null()).alias("blank"), pl.all().is_null())
        full = ~holes["blank"].to_numpy()
        suspicious = {i for i in {*numbers, width - 1} if (holes[str(i)].to_numpy() & full).any()}
        if suspicious:
            self._check_widths(block, line)
        suspicious |= {i for i in numbers if self.kinds[i] == "time"}
        frame = self._mended(frame, block, lines, sorted(suspicious & numbers))
        return (frame, lines) if full.all() else (frame.filter(full), lines[full])

    def _frame(self, block: bytes, line: int, numbers: set[int]) -> pl.DataFrame:
        """Return the block as polars reads it; a cell of numbers that holds none is null."""
        import polars as pl

        names = [str(i) for i in range(len(self.heads))]
        schema: dict[str, Any] = {
            name: pl.Float64 if i in numbers and self.kinds[i] != "time" else pl.String
            for i, name in enumerate(names)
        }
        content = self.separator.join(names).encode() + b"\n" + block

        def parse(ragged: bool) -> pl.DataFrame | None:
            try:
                with warnings.catch_warnings(record=True) as caught:
                    warnings.simplefilter("always")
                    frame = pl.read_csv(
                        content,
                        schema=schema,
                        separator=self.separator,
                        decimal_comma=self.decimal_comma,
                        ignore_errors=True,
                        truncate_ragged_lines=ragged,
                    )
            except pl.exceptions.PolarsError:
                return None
            return None if caught else frame

        frame = parse(False)
        if frame is None:
            self._check_widths(block, line)
            frame = parse(True)
            self.source.repaired("A line ends in separators without a cell; they were skipped", line)
        if frame is None:
            n_lines = block.count(b"\n")
            raise RecordingError(
                "The table cannot be understood",
                f"{self.source.name}, lines {line} to {line + n_lines}",
                "Check the quotes there",
            )
        return frame

    def _rows(self, block: bytes, line: int) -> Iterator[tuple[int, list[str]]]:
        """Yield (the line it begins on, its cells) of every row, slowly, for what polars does not say."""
        reader = csv.reader(StringIO(block.decode(), newline="\n"), delimiter=self.separator, strict=True)
        start = 0
        try:
            for row in reader:
                yield line + start, row
                start = reader.line_num
        except csv.Error as error:
            raise RecordingError(
                f"The quotes do not match ({error})", self.source.at(line + start), "Mend or delete the line"
            ) from None

    def _starts(self, block: bytes, n_rows: int) -> np.ndarray:
        starts = [line for line, _ in self._rows(block, 0)]
        return np.array(starts) if len(starts) == n_rows else np.arange(n_rows)

    def _check_widths(self, block: bytes, line: int) -> None:
        width = len(self.heads)
        for at, row in self._rows(block, line):
            if (row and len(row) < width and any(map(str.strip, row))) or any(map(str.strip, row[width:])):
                raise RecordingError(
                    f"Expected {width} values, found {len(row)}",
                    self.source.at(at),
                    "Delete the line or complete it",
                )

    def _mended(
        self, frame: pl.DataFrame, block: bytes, lines: np.ndarray, columns: Sequence[int]
    ) -> pl.DataFrame:
        """Return the frame with numbers that stand between spaces; refuse text that is no number."""
        if not columns:
            return frame
        texts = self._frame(block, int(lines[0]), set())
        for column in columns:
            text = texts[str(column)].str.strip_chars()
            numbers = self._as_numbers(text, self.kinds[column])
            wrong = numbers.is_null() & ~text.fill_null("").str.to_lowercase().is_in(MISSING)
            if wrong.any():
                row = int(wrong.arg_max() or 0)
                kind = "time" if self.kinds[column] == "time" else "number"
                raise RecordingError(
                    f"Expected a {kind}, found {text[row][:40]!r}",
                    f"{self.source.at(int(lines[row]))}, column {self.heads[column]}",
                    "Mend the value, or delete the line",
                )
            frame = frame.with_columns(numbers.alias(str(column)))
        return frame

    def _as_numbers(self, text: pl.Series, kind: str) -> pl.Series:
        import polars as pl

        if kind == "time":
            return pl.Series(clock(text)).fill_nan(None)
        plain = text.str.replace(",", ".", literal=True) if self.decimal_comma else text
        return plain.cast(pl.Float64, strict=False)


def open_csv(source: Source) -> CsvTable | None:
    """Return the table if the text begins with a line of heads and a line of cells."""
    if not source.is_text and not source.head.startswith(SAVED):
        return None
    head = source.head
    if b"\n" not in head and len(head) == HEAD:
        with source.open() as stream:
            head = stream.read(LONGEST_LINE)
    if len(head) < source.size and not head.startswith(UTF_16) and b"\n" in head:
        head = head[: head.rindex(b"\n") + 1]
    text = decode(head)
    if "\n" not in text:
        text = text.replace("\r", "\n")
    first = next((line for line in text.split("\n") if _says_something(line)), "")
    separator = "," if head.startswith(SAVED) else cells.separator(first)
    if separator == " ":
        return None
    n_head_lines, rows = 0, []
    reader = csv.reader(StringIO(text, newline="\n"), delimiter=separator)
    try:
        for row in reader:
            rows.append(row)
            if not n_head_lines and not _says_something("".join(row)):
                rows.clear()
            n_head_lines = n_head_lines or (reader.line_num if rows else 0)
    except csv.Error:
        pass  # the sample ends here, perhaps within quotes
    if len(rows) < 2 or len(rows[0]) < 2:
        return None
    heads = rows[0]
    rows = [row + [""] * (len(heads) - len(row)) for row in rows[1 : SAMPLE + 1] if any(row)]
    sample = [[row[i].strip() for row in rows] for i in range(len(heads))]
    decimal_comma = separator != "," and any(
        "," in cell and cells.is_number(cell.replace(",", ".", 1)) for column in sample for cell in column
    )
    kinds = [_kind(column, decimal_comma) for column in sample]
    return CsvTable(source, heads, sample, kinds, separator, decimal_comma, n_head_lines)


def _says_something(line: str) -> bool:
    return bool(line.strip()) and not line.startswith("#")


def _kind(column: Sequence[str], decimal_comma: bool) -> str:
    filled = [cell.replace(",", ".", 1) if decimal_comma else cell for cell in column]
    filled = [cell for cell in filled if cell.lower() not in MISSING]
    if not filled:
        return "nothing"
    if sum(map(cells.is_number, filled)) > len(filled) / 2:  # the others are errors, to be named
        return "number"
    return "time" if np.isfinite(clock(filled[:100])).mean() > 0.5 else "text"


def _stripped(text: pl.Expr) -> pl.Expr:
    """Return text without the spaces around it, null where nothing is left."""
    import polars as pl

    plain = text.str.strip_chars()
    return pl.when(plain != "").then(plain)


@contextmanager
def _lines_of(source: Source) -> Iterator[BinaryIO]:
    """Open the text as UTF-8 (or Latin-1) with a line feed after each line."""
    head = source.head
    if head.startswith(UTF_16) or b"\n" not in head[:LONGEST_LINE]:
        text = source.text
        yield BytesIO((text if "\n" in text else text.replace("\r", "\n")).encode())
        return
    with source.open() as stream:
        yield stream


def _blocks(stream: BinaryIO, size: int, source: Source) -> Iterator[bytes]:
    """Yield the rest of the stream in blocks of whole rows."""
    rest = b""
    while piece := stream.read(size):
        block = rest + piece
        end = _end_of_rows(block)
        rest = block[end:]
        if end:
            yield block[:end]
        elif len(rest) > LONGEST_LINE:
            raise RecordingError(
                f"A line has more than {LONGEST_LINE:,} characters",
                source.name,
                "Check that this is a table of readings",
            )
    if rest:
        yield rest


def _end_of_rows(block: bytes) -> int:
    """Return where the last row ends: at a line's end that is not within quotes, if there is any."""
    last = end = block.rfind(b"\n") + 1
    n_quotes = block.count(b'"', 0, end)
    while n_quotes % 2 and end:
        before = block.rfind(b"\n", 0, end - 1) + 1
        n_quotes -= block.count(b'"', before, end)
        end = before
    return end or last
