"""What a request may ask of the server that runs it: to wait for something while no thread waits with it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from kit.errors import CoalitionError

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

SMALL_BODY_BYTES = 64 * 1024
KEY = "coalition.exchange"


class RunAgain(BaseException):
    """Gives a request's thread back; the server runs the request anew when what it waits for has come about.

    Not an `Exception`: no handler of errors on its way may take it for one, and transactions roll back.
    """


class BodyWanted(RunAgain):
    """The request reads a body that has not arrived yet."""


class Pause(RunAgain):
    """The request is worth another try after `seconds`."""

    def __init__(self, seconds: float) -> None:
        super().__init__(seconds)
        self.seconds = seconds


@dataclass
class Exchange:
    """One request and its answer, however often the request is run.

    `largest_body_bytes` is what the route takes, `sender` whose large bodies are counted together, `refusal` why the
    request is not to be run at all, and `answer_after_s` how long the answer is held back. `counted` is where each
    count of the request left a budget, in order, of which this run has come by `recalled`: what an earlier run counted
    counts once, and what only a later one comes to counts as well.
    """

    largest_body_bytes: int = SMALL_BODY_BYTES
    sender: str = ""
    refusal: CoalitionError | None = None
    answer_after_s: float = 0.0
    paused: bool = False
    counted: list[Any] = field(default_factory=list)
    recalled: int = 0

    def run_again(self) -> None:
        """Begin another run."""
        self.recalled = 0

    def recall(self) -> Any:
        """Where the next count left its budget in an earlier run; None where none came so far."""
        known = self.counted[self.recalled] if self.recalled < len(self.counted) else None
        self.recalled += known is not None
        return known

    def count(self, left: Any) -> None:
        """Remember where a count of this run left its budget."""
        self.counted.append(left)
        self.recalled += 1

    def pause(self, seconds: float) -> None:
        """Run the request anew after `seconds`; does nothing the second time.

        Whatever the request has done by then it will do again, so this is for requests that only read.
        """
        if not self.paused:
            self.paused = True
            raise Pause(seconds)


def begin(environ: WSGIEnvironment) -> Exchange:
    """A new exchange, which the request with `environ` belongs to from here on."""
    exchange = environ[KEY] = Exchange()
    return exchange


def of(environ: WSGIEnvironment) -> Exchange:
    """The exchange of a request; one that nobody heeds where no gateway runs it."""
    found: Exchange | None = environ.get(KEY)
    if found is None:
        found = environ[KEY] = Exchange(paused=True)
    return found
