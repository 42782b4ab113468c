"""Every error Hubbub raises on purpose.

::

    HubbubError                     a sentence, a wire code, whether trying again may help
    ├ CannotStart                   exit code 2: usage, configuration, port, lock
    │  ├ ConfigError                config.toml: file, line, column
    │  └ WorkspaceLocked            another process serves this workspace
    ├ InvalidInput                  the caller sent something that can never work
    │  ├ GraphError                 a graph file that does not pass its check
    │  ├ TooLarge                   over a documented bound
    │  └ Unsupported                what was named cannot do this
    ├ NotFound                      no such thread, graph, collection …
    │  ├ NoSuchRun                  no such run
    │  ├ NoSuchCheckpoint           no such checkpoint of this thread
    │  ├ NoSuchInterrupt            no run of this thread has asked this
    │  └ NoSuchResponse             no answer is stored under this id
    ├ Conflict                      a run is active, a key was used with another body
    ├ Unauthenticated               no key, or one we do not know
    ├ Forbidden                     a known key that may not do this
    ├ Overloaded                    full queue, rate limit: `retry_after` seconds
    ├ MissingSecret                 a secret that something needs is not there
    ├ PluginError                   a plugin could not be loaded, or one call of it failed
    ├ Blocked                       a guardrail does not let a text pass
    ├ ModelError                    no candidate of a model alias answered
    ├ StepFailed                    a step of a graph failed for good: which one, and why
    ├ LimitExceeded                 a run went over a limit of its graph or of the config
    │  └ BudgetSpent                the tenant's money for models is used up
    └ StorageError                  the journal or an index cannot be read or written

Messages are sentences whose last clause says what to do.  None of them ever holds a secret.
"""

from __future__ import annotations

from typing import ClassVar, Literal, TypeAlias

FailureReason: TypeAlias = Literal[
    "auth",  # the key is not accepted
    "quota",  # no credit is left
    "rate_limit",  # it is asked too often
    "overloaded",  # it is too busy
    "unavailable",  # it is not there, or broken
    "timeout",  # it said nothing in time
    "too_long",  # it takes no prompt as long
    "refused",  # it refuses the content
    "invalid",  # it cannot carry out the request
    "broken",  # the answer is not whole
]
"""Why a model gave no answer."""


class HubbubError(Exception):
    """Base of all errors that people are meant to read.

    `code` is the word clients see (an Agent Streaming Protocol error code where one fits);
    `retryable` says whether the same request may work later without being changed.
    """

    code: ClassVar[str] = "unknown_error"
    retryable: ClassVar[bool] = False

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message

    def __str__(self) -> str:
        return self.message


class CannotStart(HubbubError):
    """The program could not start; the command line exits with 2."""


class ConfigError(CannotStart):
    """A mistake in `config.toml`, with its place."""

    code = "invalid_config"

    def __init__(self, message: str, *, file: str, line: int = 0, column: int = 0) -> None:
        super().__init__(message)
        self.file, self.line, self.column = file, line, column

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}:{self.column}" if self.line else self.file
        return f"{place}: {self.message}"


class WorkspaceLocked(CannotStart):
    """Another process owns the workspace."""


class InvalidInput(HubbubError):
    """The request can never work as it was sent."""

    code = "invalid_argument"


class GraphError(InvalidInput):
    """A graph file that does not pass its check; the message holds every finding."""


class TooLarge(InvalidInput):
    """A message, file or value over its documented bound."""

    code = "too_large"


class Unsupported(InvalidInput):
    """What was named exists, and cannot do what it was asked for."""

    code = "unsupported"


class NotFound(HubbubError):
    """What was named does not exist (or belongs to another tenant, which looks the same)."""

    code = "not_found"


class NoSuchRun(NotFound):
    """No such run."""

    code = "no_such_run"


class NoSuchCheckpoint(NotFound):
    """The thread has no such checkpoint."""

    code = "no_such_checkpoint"


class NoSuchInterrupt(NotFound):
    """No run of the thread has asked the question that was answered."""

    code = "no_such_interrupt"


class NoSuchResponse(NotFound):
    """There is no answer with this id."""

    code = "no_such_response"


class Conflict(HubbubError):
    """The request clashes with the present state of what it names."""

    code = "conflict"


class Unauthenticated(HubbubError):
    """No credentials, or unknown ones."""

    code = "unauthenticated"


class Forbidden(HubbubError):
    """Known credentials that do not allow this."""

    code = "permission_denied"


class Overloaded(HubbubError):
    """A bound on concurrency or rate was met; try again after `retry_after` seconds."""

    code = "rate_limited"
    retryable = True

    def __init__(self, message: str, *, retry_after: float = 1.0) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class MissingSecret(HubbubError):
    """A secret is named in config or in a graph, and nowhere to be found."""

    code = "missing_secret"

    def __init__(self, name: str, *, needed_by: str, folder: str = "") -> None:
        where = f" or put it into {folder}/{name}" if folder else ""
        super().__init__(f"The secret {name}, needed by {needed_by}, is not set; export {name}=…{where}.")
        self.name, self.needed_by = name, needed_by


class PluginError(HubbubError):
    """A plugin could not be loaded, or one call of it failed.  `plugin` is its name."""

    code = "plugin_error"

    def __init__(self, message: str, *, plugin: str = "", retryable_call: bool = False) -> None:
        super().__init__(message)
        self.plugin, self.retryable_call = plugin, retryable_call


class Blocked(HubbubError):
    """A guardrail does not let a text pass."""

    code = "blocked"


class ModelError(HubbubError):
    """A model gave no whole answer.  After `retry_after` seconds its vendor may be asked again."""

    code = "model_error"

    def __init__(
        self, message: str, *, reason: FailureReason = "broken", retry_after: float | None = None
    ) -> None:
        super().__init__(message)
        self.reason, self.retry_after = reason, retry_after

    @property
    def transient(self) -> bool:
        """Whether the same request may succeed a moment later."""
        return self.reason in ("rate_limit", "overloaded", "unavailable", "broken")


class StepFailed(HubbubError):
    """A step of a graph failed after its retries.  `step` is its id, `code` that of the cause."""

    def __init__(self, message: str, *, step: str, cause_code: str = "step_failed") -> None:
        super().__init__(message)
        self.step, self.cause_code = step, cause_code


class LimitExceeded(HubbubError):
    """A run went over a limit; `limit` is the limit's name in the graph file or config."""

    code = "limit_exceeded"

    def __init__(self, message: str, *, limit: str) -> None:
        super().__init__(message)
        self.limit = limit


class BudgetSpent(LimitExceeded):
    """The money that a tenant may spend on models is used up."""

    code = "insufficient_quota"


class StorageError(HubbubError):
    """The journal or an index cannot be read or written."""

    code = "storage_error"
    retryable = True
