"""The shape of `config.toml`: every key that does something, with its type, range and default."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PrivateAttr,
    ValidationInfo,
    model_validator,
)

from runtime.secrets import Secrets
from runtime.toml import TomlDocument
from runtime.units import seconds, size_in_bytes


def _seconds(value: object, info: ValidationInfo) -> float:
    """Read text from a file; Python code that builds settings gives plain seconds."""
    if info.context is None and isinstance(value, int | float):
        return float(value)
    return seconds(value)


def _lifetime(value: object, info: ValidationInfo) -> float | None:
    """Read a duration, or "forever" as None."""
    if value in ("forever", None):
        return None
    try:
        return _seconds(value, info)
    except ValueError:
        raise ValueError('must be a duration or "forever"; write for example "30d"') from None


def _bytes(value: object, info: ValidationInfo) -> int:
    return value if info.context is None and isinstance(value, int) else size_in_bytes(value)


def _path(value: object, info: ValidationInfo) -> Path:
    """Resolve a path against the workspace."""
    if not isinstance(value, str | Path) or not str(value).strip() or "\0" in str(value):
        raise ValueError("must be the path of a folder or file, as text in quotes")
    try:
        path = Path(value).expanduser()
    except RuntimeError:
        raise ValueError("starts with ~ but names no user of this machine; write the path in full") from None
    return (info.context["workspace"] / path) if info.context else path


def _optional_path(value: object, info: ValidationInfo) -> Path | None:
    return None if value in ("", None) else _path(value, info)


def _listed(value: object) -> object:
    return tuple(value) if isinstance(value, list) else value


def _matching(pattern: str, sentence: str) -> AfterValidator:
    """Refuse text that does not match as a whole, with our own sentence."""
    compiled = re.compile(pattern)

    def check(value: str) -> str:
        if not compiled.fullmatch(value):
            raise ValueError(sentence)
        return value

    return AfterValidator(check)


def _candidate(value: object) -> object:
    """Read the short form of a candidate, which is its name alone."""
    return {"model": value} if isinstance(value, str) else value


def _patience(value: object, info: ValidationInfo) -> float | None:
    """Read a duration, or "off" as None."""
    if value in ("off", None):
        return None
    try:
        return _seconds(value, info)
    except ValueError:
        raise ValueError('must be a duration or "off"; write for example "800ms"') from None


def _cached(value: object) -> object:
    return {} if value == "off" else value


def _with_first_party(models: dict[str, ModelAlias]) -> dict[str, ModelAlias]:
    """Add the aliases that the first-party graphs name, answered without a vendor."""
    offline = ModelAlias(use=(ModelCandidate(model="extractive"),))
    return {"writer": offline, "judge": offline, **models}


def _with_default(tenants: dict[str, TenantSettings]) -> dict[str, TenantSettings]:
    """Add what a tenant may use that has no table of its own."""
    return {"default": TenantSettings(), **tenants}


Seconds = Annotated[float, BeforeValidator(_seconds), Field(gt=0, le=365 * 86400)]
Lifetime = Annotated[Annotated[float, Field(gt=0)] | None, BeforeValidator(_lifetime)]
Patience = Annotated[Annotated[float, Field(gt=0)] | None, BeforeValidator(_patience)]
Bytes = Annotated[int, BeforeValidator(_bytes), Field(ge=1)]
WorkspacePath = Annotated[Path, BeforeValidator(_path)]
OptionalPath = Annotated[Path | None, BeforeValidator(_optional_path)]
Texts = Annotated[tuple[str, ...], BeforeValidator(_listed)]
Name = Annotated[
    str,
    _matching(
        r"[A-Za-z][A-Za-z0-9_-]{0,63}",
        "must be a name of at most 64 letters, digits, _ and - that starts with a letter",
    ),
]
Origin = Annotated[
    str,
    _matching(
        r"https?://[^\s/]+", 'must be an origin without a path; write for example "https://app.example.com"'
    ),
]
HostName = Annotated[
    str,
    _matching(
        r"([^\s/:\[\]]+|\[[0-9A-Fa-f:.]+\])(:\d+)?",
        'must be a host name; write for example "hub.example.com"',
    ),
]
CandidateName = Annotated[
    str,
    _matching(
        r"[A-Za-z][\w-]*(:\S(.*\S)?)?",
        'must be "PROVIDER" or "PROVIDER:MODEL"; write for example "extractive"',
    ),
]


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, hide_input_in_errors=True)


class HubLimits(_Section):
    """Bounds of one socket."""

    message: Bytes = 1024 * 1024
    subscriptions: Annotated[int, Field(ge=1, le=10_000)] = 64
    commands_per_second: Annotated[float, Field(gt=0, le=1_000_000)] = 50.0
    behind: Bytes = 1024 * 1024


class HubSettings(_Section):
    """The front door."""

    host: Annotated[str, Field(min_length=1)] = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 8765
    origins: Annotated[tuple[Origin, ...], BeforeValidator(_listed)] = ()
    hosts: Annotated[tuple[HostName, ...], BeforeValidator(_listed)] = ()
    limits: HubLimits = HubLimits()
    drain: Seconds = 20.0


class AuthSettings(_Section):
    """Who may come in: "open" (loopback only) or "keys"."""

    mode: Literal["open", "keys"] = "open"


class StorageKeep(_Section):
    """How many checkpoints of a thread stay, how long a thread that nobody uses, and an answer by its id.

    None is forever.
    """

    checkpoints: Annotated[int, Field(ge=1, le=1_000_000)] = 50
    threads: Lifetime = None
    responses: Lifetime = 30 * 86400.0


class StorageSettings(_Section):
    """Where everything is kept; "full" survives power loss, "normal" a kill of the process."""

    path: WorkspacePath = Field(default=Path("var"), validate_default=True)
    durability: Literal["full", "normal"] = "full"
    keep: StorageKeep = StorageKeep()


class RunsSettings(_Section):
    """How many runs at once, how many may wait, how long and how often one is tried."""

    concurrency: Annotated[int, Field(ge=1, le=100_000)] = 64
    queue: Annotated[int, Field(ge=0, le=10_000_000)] = 1000
    timeout: Seconds = 600.0
    attempts: Annotated[int, Field(ge=1, le=100)] = 3


class BatchesSettings(_Section):
    """How many rows at once, and how long threads of rows and whole batches stay (None: forever)."""

    concurrency: Annotated[int, Field(ge=1, le=100_000)] = 16
    threads: Lifetime = 3600.0
    keep: Lifetime = 30 * 86400.0


class GraphsSettings(_Section):
    """How an edit reaches new runs, and the `langgraph.json` of an application that is served too."""

    publish: Literal["on-save", "by-hand"] = "on-save"
    langgraph: OptionalPath = None


class SearchSettings(_Section):
    """The embedder, the reranker, the folder of models (None: the cache) and the dense share of a search."""

    embedder: Annotated[str, Field(min_length=1)] = "minilm"
    reranker: Annotated[str, Field(min_length=1)] = "cross_encoder"
    models: OptionalPath = None
    weight: Annotated[float, Field(ge=0, le=1)] = 0.45


class InferenceBatch(_Section):
    """How many rows of several requests are one call, and how long the first of them waits for others."""

    rows: Annotated[int, Field(ge=1, le=100_000)] = 64
    wait: Patience = None


class InferenceSettings(_Section):
    """Where trained models are, each version in a folder NAME/VERSION, and what their calls may take."""

    folder: WorkspacePath = Field(default=Path("models"), validate_default=True)
    versions: Annotated[int, Field(ge=1, le=1000)] = 3
    threads: Annotated[int, Field(ge=1, le=1000)] = 2
    cores: Annotated[int, Field(ge=1, le=1000)] = 1
    batch: InferenceBatch = InferenceBatch()
    queue: Annotated[int, Field(ge=0, le=1_000_000)] = 256
    rows: Annotated[int, Field(ge=1, le=10_000_000)] = 10_000
    message: Bytes = 64 * 1024 * 1024
    timeout: Seconds = 30.0


class RecommendSettings(_Section):
    """How often recommendations are fitted again (None: by hand alone), and to how many items."""

    refit: Patience = 86_400.0
    items: Annotated[int, Field(ge=10, le=20_000)] = 5000


class Price(_Section):
    """What a model costs where no list knows it: US dollars for a million tokens."""

    input: Annotated[float, Field(ge=0)]
    output: Annotated[float, Field(ge=0)]


class ModelCandidate(_Section):
    """One model of one provider.  `weight` is its share with the strategy "weighted"."""

    model: CandidateName
    weight: Annotated[float, Field(gt=0, le=1_000_000)] = 1.0
    price: Price | None = None


class BreakerSettings(_Section):
    """After so many failures in a row a candidate is not asked for `rest` seconds."""

    failures: Annotated[int, Field(ge=1, le=1000)] = 5
    rest: Seconds = 30.0


class ModelCache(_Section):
    """Whether a whole answer may be given again to the same tenant.

    `exact` are the seconds for the same request.  `semantic` is the cosine from which on a last question
    counts as the same, everything else being equal; its answers are kept for `ttl` seconds.
    """

    exact: Seconds | None = None
    semantic: Annotated[float, Field(ge=0.5, le=1)] | None = None
    ttl: Seconds = 3600.0

    @property
    def on(self) -> bool:
        """Whether answers are kept."""
        return bool(self.exact or self.semantic)


class ModelAlias(_Section):
    """A model as graphs name it: who can answer, in which order, how often and how long each is tried."""

    use: Annotated[
        tuple[Annotated[ModelCandidate, BeforeValidator(_candidate)], ...],
        BeforeValidator(_listed),
        Field(min_length=1),
    ]
    strategy: Literal["ordered", "weighted", "latency"] = "ordered"
    retries: Annotated[int, Field(ge=0, le=10)] = 2
    retry_after_max: Seconds = 20.0
    attempt_timeout: Seconds = 60.0
    first_token_timeout: Seconds = 10.0
    timeout: Seconds = 120.0
    hedge_after: Patience = None
    coalesce: bool = True
    cache: Annotated[ModelCache, BeforeValidator(_cached)] = ModelCache()
    breaker: BreakerSettings = BreakerSettings()


class CacheSettings(_Section):
    """Where answers are kept that may be given again: "memory", or the cache of a plugin."""

    use: Name = "memory"


class TelemetrySettings(_Section):
    """Where spans go (`otlp` an endpoint, `traces` a file), what they hold, and how logs look."""

    otlp: Annotated[
        str,
        _matching(r"(https?://[^\s/]+\S*)?", 'must be an address; write for example "http://localhost:4318"'),
    ] = ""
    traces: OptionalPath = None
    content: bool = False
    logs: Literal["console", "json"] = "console"


class GuardrailsSettings(_Section):
    """Guardrails of every run: for what it is given, and for what its models say."""

    input: Texts = ()
    output: Texts = ()


class EgressSettings(_Section):
    """Where webhooks and tools may go: names, addresses, networks; to all public ones when none is listed."""

    allow: Texts = ()


class SecretsSettings(_Section):
    """A folder of files, each named like the secret it holds."""

    folder: OptionalPath = None


class TenantLimits(_Section):
    """Bounds of one tenant: open sockets and event streams; requests to models and their tokens (0: none)."""

    connections: Annotated[int, Field(ge=1, le=10_000_000)] = 1000
    requests_per_minute: Annotated[int, Field(ge=0, le=1_000_000_000)] = 0
    tokens_per_minute: Annotated[int, Field(ge=0, le=1_000_000_000_000)] = 0


class Budget(_Section):
    """The money that models may cost a tenant in a day or month of UTC (0: no limit)."""

    usd: Annotated[float, Field(ge=0)] = 0.0
    per: Literal["day", "month"] = "day"


class TenantSettings(_Section):
    """What one tenant may use."""

    limits: TenantLimits = TenantLimits()
    budget: Budget = Budget()


class PluginBreaker(_Section):
    """After how many failed calls in a row a plugin is left alone, and for how long, in seconds."""

    failures: Annotated[int, Field(ge=1, le=1_000_000)] = 5
    rest: Seconds = 30.0


class PluginHost(_Section):
    """What the host enforces for one plugin: where it runs, and what its calls may take.  Seconds, bytes."""

    run: Literal["in-process", "process"] = "in-process"
    deadline: Seconds = 120.0
    concurrency: Annotated[int, Field(ge=1, le=100_000)] = 64
    breaker: PluginBreaker = PluginBreaker()
    memory: Bytes = 512 * 1024 * 1024


class PluginsSettings(_Section):
    """The folder of drop-in plugins, and each plugin's own table, not yet validated."""

    folder: WorkspacePath = Field(default=Path("plugins"), validate_default=True)
    disabled: Texts = ()
    tables: dict[str, dict[str, Any]] = Field(default_factory=dict, repr=False)
    hosts: dict[str, PluginHost] = Field(default_factory=dict)


class McpServer(_Section):
    """A server whose tools are tools here: `command` is started, or `url` asked.  Values name secrets."""

    command: Texts = ()
    url: Annotated[
        str,
        _matching(r"(https?://\S+)?", 'must be an address; write for example "https://example.com/mcp"'),
    ] = ""
    env: dict[str, str] = Field(default_factory=dict, repr=False)
    headers: dict[str, str] = Field(default_factory=dict, repr=False)

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if bool(self.command) == bool(self.url):
            raise ValueError("needs either `command` or `url`; write one of them")
        return self


class Settings(_Section):
    """Everything configured: `config.toml` over the defaults, the command line over both."""

    workspace: Path
    hub: HubSettings = HubSettings()
    auth: AuthSettings = AuthSettings()
    storage: StorageSettings = StorageSettings()
    runs: RunsSettings = RunsSettings()
    batches: BatchesSettings = BatchesSettings()
    graphs: GraphsSettings = GraphsSettings()
    search: SearchSettings = SearchSettings()
    recommend: RecommendSettings = RecommendSettings()
    inference: InferenceSettings = InferenceSettings()
    models: Annotated[dict[Name, ModelAlias], AfterValidator(_with_first_party)] = Field(
        default_factory=dict, validate_default=True
    )
    cache: CacheSettings = CacheSettings()
    telemetry: TelemetrySettings = TelemetrySettings()
    secrets: SecretsSettings = SecretsSettings()
    guardrails: GuardrailsSettings = GuardrailsSettings()
    egress: EgressSettings = EgressSettings()
    tenants: Annotated[dict[str, TenantSettings], AfterValidator(_with_default)] = Field(
        default_factory=dict, validate_default=True
    )
    plugins: PluginsSettings = PluginsSettings()
    mcp: dict[Name, McpServer] = Field(default_factory=dict)

    _document: TomlDocument | None = PrivateAttr(default=None)

    def model_post_init(self, context: Any, /) -> None:
        """Keep the document that the settings were read from."""
        if context:
            self._document = context.get("document")

    @property
    def var(self) -> Path:
        """The folder of everything Hubbub stores."""
        return self.storage.path

    def tenant(self, name: str) -> TenantSettings:
        """Return a tenant's own table, or `[tenants.default]`."""
        return self.tenants.get(name) or self.tenants.get("default") or TenantSettings()

    @property
    def document(self) -> TomlDocument | None:
        """`config.toml` with places, for errors in plugins' own tables; None without such a file."""
        return self._document

    def secret(self, reference: str, *, needed_by: str) -> str:
        """Return the secret behind `secret:NAME` or `NAME`; MissingSecret names who needed it."""
        return Secrets(self.secrets.folder).get(reference, needed_by=needed_by)
