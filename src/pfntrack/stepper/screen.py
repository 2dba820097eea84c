"""Stepping on a terminal: program, state, what happened, and a lamp per property.

Needs the extra `tui` (prompt_toolkit). Keys move; `t`, `r` and `g` open a line
for an operation, a release or a number. What is shown is what `view` says.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from prompt_toolkit.application import Application
from prompt_toolkit.buffer import Buffer
from prompt_toolkit.completion import Completer, DummyCompleter, PathCompleter, WordCompleter
from prompt_toolkit.filters import Condition, has_focus
from prompt_toolkit.formatted_text import StyleAndTextTuples
from prompt_toolkit.input import Input
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.layout import (
    BufferControl,
    CompletionsMenu,
    ConditionalContainer,
    Float,
    FloatContainer,
    FormattedTextControl,
    HSplit,
    Layout,
    VSplit,
    Window,
)
from prompt_toolkit.layout.dimension import Dimension
from prompt_toolkit.output import Output
from prompt_toolkit.styles import Style

from pfntrack.designs import DESIGNS
from pfntrack.releases import HISTORIC, RELEASES
from pfntrack.stepper import commands, view
from pfntrack.stepper.session import Session, SessionError

_STYLES = {
    "title": "bold",
    "now": "reverse",
    "bad": "bold ansired",
    "good": "ansigreen",
    "dim": "ansibrightblack",
    "bar": "reverse",
    "error": "bold ansired",
}
_KEYS = "n/→ next  b/← back  t try  o offers  u undo  r release  g go  w write  h help  q quit"
_HELP = "The keys stand at the bottom; Tab completes. In words, as on standard input:"
_ASKS = {
    "try": "try: ",
    "release": "release or design: ",
    "go": "go to step: ",
    "write": "write to: ",
}


class Screen:
    """The full-screen application around one session."""

    def __init__(
        self,
        session: Session,
        *,
        colour: bool = True,
        source: Input | None = None,
        output: Output | None = None,
    ) -> None:
        self.session = session
        self.message = ""
        self.asking = ""
        self.helping = False
        self.offering = False
        self._line = Buffer(multiline=False, accept_handler=self._entered)
        # Somewhere the keys have to go when no line is asked for.
        self._home = FormattedTextControl(self._title, focusable=True, show_cursor=False)
        self.application: Application[None] = Application(
            layout=Layout(self._layout(), focused_element=self._home),
            key_bindings=self._bindings(),
            style=Style.from_dict(_STYLES) if colour else Style([]),
            full_screen=True,
            input=source,
            output=output,
        )

    def run(self) -> None:
        """Until somebody leaves."""
        self.application.run()

    # what is shown ---------------------------------------------------------

    def _layout(self) -> FloatContainer:
        menu = Float(CompletionsMenu(max_height=12, scroll_offset=1), xcursor=True, ycursor=True)
        return FloatContainer(self._panes(), floats=[menu])

    def _panes(self) -> HSplit:
        ask = VSplit(
            [
                Window(
                    FormattedTextControl(lambda: _ASKS.get(self.asking, "")),
                    dont_extend_width=True,
                ),
                Window(BufferControl(self._line)),
            ],
            height=1,
        )
        left = self._pane(self._program, weight=2)
        right = self._pane(lambda: view.state(self.session), weight=3)
        return HSplit(
            [
                Window(self._home, height=1, style="class:bar"),
                VSplit([left, Window(width=1, char="│"), right], height=Dimension(weight=3)),
                Window(height=1, char="─"),
                self._pane(lambda: view.happened(self.session), weight=2, wrap=True),
                Window(height=1, char="─"),
                Window(FormattedTextControl(self._lamps), height=1, dont_extend_height=True),
                Window(FormattedTextControl(self._bottom), height=1),
                ConditionalContainer(ask, Condition(lambda: bool(self.asking))),
            ]
        )

    def _pane(
        self, lines: Callable[[], Iterable[view.Line]], weight: int, *, wrap: bool = False
    ) -> Window:
        return Window(
            FormattedTextControl(lambda: _styled(lines())),
            wrap_lines=wrap,
            # What a pane would like is not asked, so that the frame stays where it is.
            width=Dimension(preferred=1, weight=weight),
            height=Dimension(preferred=1, weight=weight),
        )

    def _title(self) -> StyleAndTextTuples:
        return [("class:bar", f" {view.title(self.session)}")]

    def _program(self) -> Iterable[view.Line]:
        if self.helping:
            return [("", line) for line in [_HELP, "", *commands.HELP.splitlines()]]
        if self.offering:
            made = commands.offered(self.session)
            return [
                ("bad" if offer.effects[0].breaks else "", commands.offer_line(offer))
                for offer in made
            ]
        # The step that was done last stays in sight in a long program.
        lines = list(view.program(self.session))
        height = self.application.output.get_size().rows // 2
        first = max(0, self.session.done - height + 3)
        return lines[first:]

    def _lamps(self) -> StyleAndTextTuples:
        shown: StyleAndTextTuples = []
        for style, text in view.lamps(self.session):
            shown += [(f"class:{style}", f" {text.removesuffix(' holds')}"), ("", " ")]
        return shown

    def _bottom(self) -> StyleAndTextTuples:
        if self.message:
            return [("class:error", f" {self.message}")]
        return [("class:dim", f" {_KEYS}")]

    # keys ------------------------------------------------------------------

    def _bindings(self) -> KeyBindings:
        keys = KeyBindings()
        free = ~has_focus(self._line)

        def bind(names: tuple[str, ...], word: str, rest: str = "") -> None:
            def act(_event: KeyPressEvent) -> None:
                self.do(word, rest)

            for name in names:
                keys.add(name, filter=free)(act)

        bind(("n", "right", "down", "space", "enter"), "next")
        bind(("b", "left", "up"), "back")
        bind(("u",), "undo")
        bind(("home",), "go", "0")

        @keys.add("end", filter=free)
        def _end(_event: KeyPressEvent) -> None:
            self.do("go", str(self.session.length))

        for key, word in (
            ("t", "try"),
            ("r", "release"),
            ("d", "release"),
            ("g", "go"),
            ("w", "write"),
        ):
            keys.add(key, filter=free)(self._asks(word))

        @keys.add("h", filter=free)
        @keys.add("?", filter=free)
        def _help(_event: KeyPressEvent) -> None:
            self.helping = not self.helping
            self.offering = False

        @keys.add("o", filter=free)
        def _offers(_event: KeyPressEvent) -> None:
            self.offering = not self.offering
            self.helping = False

        @keys.add("q", filter=free)
        @keys.add("c-c")
        @keys.add("c-d")
        def _leave(event: KeyPressEvent) -> None:
            event.app.exit()

        @keys.add("escape", filter=~free, eager=True)
        def _cancel(_event: KeyPressEvent) -> None:
            self._ask("")

        return keys

    def _asks(self, word: str) -> Callable[[KeyPressEvent], None]:
        return lambda _event: self._ask(word)

    def _ask(self, word: str) -> None:
        self.asking = word
        self.message = ""
        self._line.reset()
        self._line.completer = self._completer(word)
        self.application.layout.focus(self._line if word else self._home)

    def _completer(self, word: str) -> Completer:
        match word:
            case "release":
                return WordCompleter([*RELEASES, *HISTORIC, *DESIGNS], sentence=True)
            case "try":
                made = commands.offered(self.session)
                return WordCompleter([offer.text for offer in made], sentence=True)
            case "write":
                return PathCompleter()
            case _:
                return DummyCompleter()

    def _entered(self, line: Buffer) -> bool:
        word, text = self.asking, line.text
        self._ask("")
        if text.strip():
            self.do(word, text.strip())
        return False

    def do(self, word: str, rest: str = "") -> None:
        """One command; what cannot be done is said at the bottom."""
        self.message = ""
        self.helping = self.offering = False
        try:
            if word == "write":
                self.message = commands.written(self.session, rest)
            else:
                self.session = commands.moved(self.session, word, rest)
        except SessionError as error:
            self.message = str(error)


def _styled(lines: Iterable[view.Line]) -> StyleAndTextTuples:
    shown: StyleAndTextTuples = []
    for style, text in lines:
        shown.append((f"class:{style}" if style else "", f"{text}\n"))
    return shown
