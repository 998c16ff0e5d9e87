"""The serial console of the simulated kit: what runs on it, and what Ctrl-C, Ctrl-D and changed files do.

::

    starting ──► running ──► ended ──► entering ──► repl        a CircuitPython board
        ▲           │ Ctrl-D   │          any key     │
        └───────────┴──────────┴──────────────────────┘         Ctrl-D, or files have changed

A MicroPython board goes from running to its REPL in the same process, as its program's names stay.
"""

from __future__ import annotations

import os
import queue
import select
import socket
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path

from .drive import VERSION, Watch, find_program
from .interpreter import Interpreter
from .place import Place
from .port import ENOUGH, Port
from .world import World

TICK = 0.02  # seconds between looks at what tells nobody: a process that ended, a port that was opened
PATIENCE = 0.5  # seconds that a program may take to end at Ctrl-C before what follows is sent to it
ANSWER = 60.0  # seconds
PIECE = 4096  # bytes of what a program prints that are taken at once

CTRL_A, CTRL_C, CTRL_D = b"\x01", b"\x03", b"\x04"
READY = b"\0"  # of standins/simulated_boot.py
PROMPT = b">>> "
RAW_BANNER = b"raw REPL; CTRL-B to exit"
FRIENDLY_BANNER = b'Type "help()" for more information.'
RELOADING = "\nAuto-reload is on. Simply save files over USB to run them or enter REPL to disable.\n"
NAME, RELEASE = "🐍Wi-Fi: off", VERSION.split()[2]


class Console(threading.Thread):
    """Pass bytes between the port and MicroPython, and start it anew when a board would.

    Parameters
    ----------
    drive : Path
    place : Place
    world : World
    interpreter : Interpreter
    platform : str, "circuitpython" or "micropython"
    auto_reload : bool, whether changed files start the program anew; CircuitPython only
    read_only : bool, whether programs may not write to the drive
    """

    def __init__(
        self,
        drive: Path,
        place: Place,
        world: World,
        interpreter: Interpreter,
        platform: str,
        auto_reload: bool,
        read_only: bool,
    ) -> None:
        super().__init__(name=f"the simulated board {drive.name}", daemon=True)
        self._drive, self._place, self._world, self._interpreter = drive, place, world, interpreter
        self._is_circuitpython = platform == "circuitpython"
        self._platform = platform
        self._read_only = read_only
        self._watch = Watch(drive, world.changed) if auto_reload and self._is_circuitpython else None
        self._state = "off"
        self._is_raw = False  # the REPL, when it was last seen
        self._port = Port()
        self._tail = b""  # the last that the REPL printed
        self._patience_ends = 0.0
        self._tasks: queue.SimpleQueue[tuple[Callable[[], None], Future[None]] | None] = queue.SimpleQueue()
        self._wake_in, self._wake_out = socket.socketpair()

    # ------------------------------------------------------------ from other threads

    def plug(self) -> None:
        """Give the board power and a port."""
        self._ask(self._plug)

    def unplug(self) -> None:
        """Pull the cable: the port hangs up, and the program ends."""
        self._ask(self._unplug)

    def stop(self) -> None:
        """End the program and the thread."""
        if self.is_alive():
            self._tasks.put(None)
            self._wake_out.send(b"!")
            self.join()
        self._wake_in.close()
        self._wake_out.close()

    def _ask(self, task: Callable[[], None]) -> None:
        done: Future[None] = Future()
        self._tasks.put((task, done))
        self._wake_out.send(b"!")
        done.result(ANSWER)

    # ------------------------------------------------------------ the thread

    def run(self) -> None:
        try:
            while self._do_tasks():
                self._wait()
                self._port.read()
                self._read_program()
                self._follow()
                self._feed_program()
                self._port.write()
        finally:
            self._unplug()

    def _do_tasks(self) -> bool:
        while not self._tasks.empty():
            task = self._tasks.get()
            if task is None:
                return False
            try:
                task[0]()
            except BaseException as error:
                task[1].set_exception(error)
            else:
                task[1].set_result(None)
        return True

    def _wait(self) -> None:
        poll = select.poll()
        poll.register(self._wake_in, select.POLLIN)
        self._port.register(poll)
        if self._state != "off" and len(self._port.printed) < ENOUGH:
            poll.register(self._interpreter.outside, select.POLLIN)
        for descriptor, _ in poll.poll(TICK * 1000):
            if descriptor == self._wake_in.fileno():
                self._wake_in.recv(4096)

    def _plug(self) -> None:
        if self._state == "off":
            self._place.plug(self._port.plug())
            self._boot()

    def _unplug(self) -> None:
        self._interpreter.stop()
        self._place.unplug()
        self._port.unplug()
        self._state = "off"

    # ------------------------------------------------------------ the program

    def _boot(self) -> None:
        """Start the program of the drive."""
        program = find_program(self._drive, self._platform)
        if self._watch:
            self._watch.begin()
            self._port.print(RELOADING)
        if program is None and self._is_circuitpython:
            self._end()
            return
        if self._is_circuitpython:
            self._port.print(f"{program} output:\n")
            self._title(str(program))
        self._start("starting", program)

    def _start(self, state: str, program: str | None) -> None:
        self._world.boot()
        self._state, self._tail = state, b""
        enter = f"b.enter({str(self._drive)!r}, {self._is_circuitpython}, {self._read_only})"
        run = f"b.run({program!r}, globals())" if program else "globals()"
        stay = not self._is_circuitpython or program is None
        names = "" if self._is_circuitpython else "; del b"
        self._interpreter.start(f"import simulated_boot as b; {enter}; {run}{names}", stay)

    def _enter_repl(self) -> None:
        if self._is_circuitpython:
            self._title("REPL")
        self._start("entering", None)

    def _end(self) -> None:
        """Say that the program has ended, and wait for a key."""
        self._title("Done")
        self._port.print("\nCode done running.\n\nPress any key to enter the REPL. Use CTRL-D to reload.\n")
        self._state = "ended"

    def _title(self, text: str) -> None:
        self._port.print(f"\x1b]0;{NAME} | {text} | {RELEASE}\x1b\\")

    def _soft_reboot(self) -> None:
        self._port.print("soft reboot\n" if self._is_circuitpython else "MPY: soft reboot\n")

    def _read_program(self) -> None:
        """Take what MicroPython prints."""
        while len(self._port.printed) < ENOUGH:
            try:
                text = os.read(self._interpreter.outside, PIECE)
            except BlockingIOError:
                return
            if self._state == "starting":
                before, ready, text = text.partition(READY)
                text = before + text
                if ready:
                    self._state = "running"
            elif self._state == "entering":
                text = self._to_prompt(text)
            if self._state == "repl" or (self._state == "running" and not self._is_circuitpython):
                self._look_for_repl(text)
            self._port.print(text)

    def _to_prompt(self, text: bytes) -> bytes:
        """Swallow what MicroPython says before the prompt of its REPL, and greet as the board does."""
        self._tail += text
        before, prompt, after = self._tail.partition(PROMPT)
        if not prompt:
            return b""
        self._state, self._tail = "repl", b""
        if self._is_raw:
            os.write(self._interpreter.outside, CTRL_A)
            return b""
        greeting = f"\n{VERSION}\n" if self._is_circuitpython else before.decode(errors="replace")
        self._port.print(greeting.replace("\r", "").replace("\0", ""))
        return prompt + after

    def _look_for_repl(self, text: bytes) -> None:
        """Notice whether the REPL is the raw one, and when a MicroPython board has got to it."""
        self._tail = (self._tail + text)[-2 * len(FRIENDLY_BANNER) :]
        raw, friendly = self._tail.rfind(RAW_BANNER), self._tail.rfind(FRIENDLY_BANNER)
        if raw != friendly:
            self._is_raw = raw > friendly
            if self._state == "running" and not self._is_circuitpython and friendly >= 0:
                self._state = "repl"

    def _follow(self) -> None:
        """Go on where a program or the REPL has ended, or where files have changed."""
        if self._interpreter.has_ended:
            self._read_program()
            self._port.arrived = self._interpreter.unread() + self._port.arrived
            self._interpreter.stop()
            if self._state in ("running", "starting") and self._is_circuitpython:
                self._end()
            else:
                self._soft_reboot()
                if self._is_raw:
                    self._enter_repl()
                else:
                    self._boot()
        if self._watch and self._state in ("starting", "running", "ended") and self._watch.has_changed():
            self._interpreter.stop()
            self._read_program()
            self._port.print("\nCode stopped by auto-reload. Reloading soon.\n")
            self._soft_reboot()
            self._boot()

    def _feed_program(self) -> None:
        """Give MicroPython what has arrived, as far as it is ready for it."""
        if self._state == "ended" and self._port.arrived:
            key, self._port.arrived = self._port.arrived[:1], self._port.arrived[1:]
            if key == CTRL_D:
                self._soft_reboot()
                self._boot()
            else:
                self._is_raw = False
                self._enter_repl()
        if self._state == "running":
            self._feed_running()
        elif self._state == "repl":
            self._port.arrived = self._port.arrived[self._send(self._port.arrived) :]

    def _feed_running(self) -> None:
        """Let Ctrl-C drop what came before it and is unread, and hold back what follows for a moment."""
        if time.monotonic() < self._patience_ends:
            return
        before, interrupt, after = self._port.arrived.partition(CTRL_C)
        if interrupt:
            self._interpreter.forget_unread()
            self._send(CTRL_C)
            self._port.arrived = after
            self._patience_ends = time.monotonic() + PATIENCE
        else:
            # What a program does not read is let go, oldest first, so that Ctrl-C always comes through.
            self._port.arrived = before[self._send(before) :][-ENOUGH // 2 :]

    def _send(self, content: bytes) -> int:
        try:
            return os.write(self._interpreter.outside, content) if content else 0
        except BlockingIOError:
            return 0
