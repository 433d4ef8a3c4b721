# SPDX-License-Identifier: Apache-2.0
"""`drukte.toml`: addresses and secrets of one deployment. Nothing in it changes what a result means."""

import os
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from schemas.alert_outputs import EVENT_SOURCE, URN_PATTERN
from schemas.command import RoleName
from schemas.errors import WrongUseError
from schemas.log import Clock
from schemas.sighting import Role
from streams.deliver_settings import AlertMqttSettings, CapDocumentSettings, CapFeedSettings, CapReceiverSettings
from streams.door_settings import ClientTls, FolderSettings, MqttSettings, PullSettings, ServerTls, SourceSettings

DEFAULT_PATH = Path("drukte.toml")


class _Strict(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    pass


class KafkaSettings(_Strict, frozen=True, kw_only=True):
    """The broker.

    Parameters
    ----------
    bootstrap : str
        `host:port[,host:port]`.
    partitions : int
        Of `site-log` and `live`; fixed for the life of a deployment.
    mock : bool
        Whether it is librdkafka's mock cluster (the demo): other time-outs, topics cannot be created.
    tls : ClientTls, optional
        An empty section is enough where the system trusts the broker's certificate.
    user, password : str, optional
        SASL, mechanism `sasl`.
    """

    bootstrap: str = "127.0.0.1:9092"
    partitions: Annotated[int, msgspec.Meta(ge=1, le=1024)] = 12
    mock: bool = False
    tls: ClientTls | None = None
    user: str | None = None
    password: str | None = None
    sasl: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = "SCRAM-SHA-512"


class DatabaseSettings(_Strict, frozen=True, kw_only=True):
    """The database: `uri` as libpq reads it; the writer's account."""

    uri: str = "postgresql://drukte@127.0.0.1:5432/drukte"


class ClockSettings(_Strict, frozen=True, kw_only=True):
    """The deployment's clock.

    Parameters
    ----------
    kind : Clock
    speed : float
        Seconds of log time in a second, for the simulated clock.
    start_us, wall_start_us : int
        The simulated clock shows `start_us` when the wall clock shows `wall_start_us`.
    """

    kind: Clock = Clock.WALL
    speed: Annotated[float, msgspec.Meta(gt=0)] = 1.0
    start_us: int = 0
    wall_start_us: int = 0


class NdwSettings(_Strict, frozen=True, kw_only=True):
    """Polling of NDW's public feed."""

    url: str
    poll_s: Annotated[float, msgspec.Meta(gt=0)] = 60.0


class EdgeSettings(_Strict, frozen=True, kw_only=True):
    """A topic of a system that already speaks Kafka; a message is a body in its source's format.

    Parameters
    ----------
    topic : str
        Theirs: it is never made or changed by Drukte.
    source : str
        The source of the city file that its readings belong to.
    group : str
        Consumer group; gateways of one deployment share it and the topic's partitions.
    """

    topic: Annotated[str, msgspec.Meta(pattern="^[A-Za-z0-9._-]{1,249}$")]
    source: str
    group: Annotated[str, msgspec.Meta(min_length=1)] = "drukte-gateway"


class GatewaySettings(_Strict, frozen=True, kw_only=True):
    """The gateway.

    Parameters
    ----------
    host, port
        Where it listens.
    body_limit_bytes, decompressed_limit_bytes : int
        Larger bodies are refused with 413.
    skew_s : float
        How far in the future a reading may be stamped.
    oldest_s : float
        How old a reading may be: beyond it no window and no seal takes it in.
    ndw : NdwSettings, optional
        Poll NDW for the city's road sensors.
    edge : EdgeSettings, optional
        Take readings from a topic as well.
    requests_per_minute : float
        Of each source; more are put off with 429.
    sources : dict of str to SourceSettings
        By source of the city file. As soon as one has a token or a secret, no other source is open.
    tls : ServerTls, optional
        Else HTTP without TLS: on loopback, or behind a proxy that has it.
    mqtt : MqttSettings, optional
    pulls : dict of str to PullSettings
        By source of the city file.
    folders : dict of str to FolderSettings
        By source of the city file.
    """

    host: str = "127.0.0.1"
    port: int = 8480
    body_limit_bytes: int = 8_000_000
    decompressed_limit_bytes: int = 200_000_000
    skew_s: float = 30.0
    oldest_s: float = 86_400.0
    ndw: NdwSettings | None = None
    edge: EdgeSettings | None = None
    requests_per_minute: Annotated[float, msgspec.Meta(gt=0)] = 6_000.0
    sources: dict[str, SourceSettings] = {}
    tls: ServerTls | None = None
    mqtt: MqttSettings | None = None
    pulls: dict[str, PullSettings] = {}
    folders: dict[str, FolderSettings] = {}


class ServeSettings(_Strict, frozen=True, kw_only=True):
    """The page: `host` and `port` where it listens, `tls` where it does so with a certificate.

    `sighting_tokens` are hashes of tokens (`sha256:HEX`) by role: who may tell sightings. Without any a page on
    loopback takes them from everybody who asks for it by a loopback name, any other page from nobody. `command_tokens`
    are the same for operators' commands and for the text of notes, by role as commands name it.
    """

    host: str = "127.0.0.1"
    port: int = 8481
    tls: ServerTls | None = None
    sighting_tokens: dict[Role, list[Annotated[str, msgspec.Meta(pattern="^sha256:[0-9a-f]{64}$")]]] = {}
    command_tokens: dict[RoleName, list[Annotated[str, msgspec.Meta(pattern="^sha256:[0-9a-f]{64}$")]]] = {}


class CommandsSettings(_Strict, frozen=True, kw_only=True):
    """Who may give commands: `data_engineer_tokens` are hashes (`sha256:HEX`); without any no sensor can be purged."""

    data_engineer_tokens: list[Annotated[str, msgspec.Meta(pattern="^sha256:[0-9a-f]{64}$")]] = []


class WorkerSettings(_Strict, frozen=True, kw_only=True):
    """The worker.

    Parameters
    ----------
    snapshot_s : float
        How often the state is put away. A restart folds as much of the log again, in a fraction of the time.
    session_s : float
        After so long without a sign of life another worker takes over; Kafka's own least is 6.
    """

    snapshot_s: Annotated[float, msgspec.Meta(gt=0, le=3600)] = 30.0
    session_s: Annotated[float, msgspec.Meta(ge=6, le=30)] = 10.0


class AlertmanagerSettings(_Strict, frozen=True, kw_only=True):
    """Alertmanager: `url` without the path of its API, `ca_file` as of a webhook."""

    url: Annotated[str, msgspec.Meta(pattern="^https?://")] = "http://127.0.0.1:9093"
    ca_file: str | None = None


class WebhookSettings(_Strict, frozen=True, kw_only=True):
    """A receiver of signed webhooks.

    Parameters
    ----------
    name : str
        Stands in records and logs; keep it, also when the address changes.
    url : str
        Never logged: it may hold a token.
    secret : str
        Shared with the receiver; signs every call.
    ca_file : str, optional
        PEM with the authorities that are trusted; else the public ones.
    only_escalated : bool
        It is told nothing of an alert before it escalates, and everything from then on.
    """

    name: Annotated[str, msgspec.Meta(pattern="^[a-z0-9-]+$")]
    url: Annotated[str, msgspec.Meta(pattern="^https?://")]
    secret: Annotated[str, msgspec.Meta(min_length=16)]
    ca_file: str | None = None
    only_escalated: bool = False


class WatchdogSettings(_Strict, frozen=True, kw_only=True):
    """The watchdog of `drukte deliver`.

    Parameters
    ----------
    on : bool
    silent_s : float
        So much later than its places allow the engine may be before it is called silent.
    heartbeat : bool
        Whether Alertmanager gets an alert that always fires, every `resend_s`; give it a route of its own first.
    """

    on: bool = True
    silent_s: Annotated[float, msgspec.Meta(ge=1, le=3600)] = 60.0
    heartbeat: bool = False


class DeliverSettings(_Strict, frozen=True, kw_only=True):
    """Where alerts go.

    Parameters
    ----------
    alertmanager : AlertmanagerSettings, optional
    webhooks : list of WebhookSettings
    cap_document : CapDocumentSettings, optional
        Needed by the next two.
    cap : list of CapReceiverSettings
    cap_feed : CapFeedSettings, optional
    mqtt : AlertMqttSettings, optional
    watchdog : WatchdogSettings
    alert_url : str, optional
        Page of an alert, `{alert_id}` in it is replaced; Alertmanager's generatorURL.
    event_source : str
        What webhooks and MQTT messages name as their source: a urn of the system. For Dutch governments
        `urn:nld:oin:OIN:systeem:drukte`, with the organisation's number.
    resend_s : float
        How often open alerts are told to Alertmanager again; below its `resolve_timeout`.
    resolve_for_s : float
        How long a closed alert is told to it again.
    stale_s : float
        A transition that is older at its first try gives way to the alert's present state.
    first_delay_s, longest_delay_s : float
        The wait after a first failure, and the longest; it doubles in between.
    limit_h : float
        How long a transition is tried.
    connect_s, read_s : float
        Time-outs of a call.
    queue_limit : int
        How many transitions wait for one webhook before older ones give way to newer of the same alert.
    """

    alertmanager: AlertmanagerSettings | None = None
    webhooks: list[WebhookSettings] = []
    cap_document: CapDocumentSettings | None = None
    cap: list[CapReceiverSettings] = []
    cap_feed: CapFeedSettings | None = None
    mqtt: AlertMqttSettings | None = None
    watchdog: WatchdogSettings = WatchdogSettings()
    alert_url: str | None = None
    event_source: Annotated[str, msgspec.Meta(pattern=URN_PATTERN, max_length=200)] = EVENT_SOURCE
    resend_s: Annotated[float, msgspec.Meta(gt=0, le=180)] = 60.0
    resolve_for_s: Annotated[float, msgspec.Meta(ge=0)] = 300.0
    stale_s: Annotated[float, msgspec.Meta(gt=0)] = 300.0
    first_delay_s: Annotated[float, msgspec.Meta(gt=0)] = 1.0
    longest_delay_s: Annotated[float, msgspec.Meta(gt=0)] = 120.0
    limit_h: Annotated[float, msgspec.Meta(gt=0, le=72)] = 24.0
    connect_s: Annotated[float, msgspec.Meta(gt=0)] = 5.0
    read_s: Annotated[float, msgspec.Meta(gt=0)] = 10.0
    queue_limit: Annotated[int, msgspec.Meta(ge=1)] = 1000


class MetricsSettings(_Strict, frozen=True, kw_only=True):
    """Metrics for Prometheus: `host`, and a port for each process; 0 = none.

    Every process of a kind on one machine needs a port, and so a settings file, of its own.
    """

    host: str = "127.0.0.1"
    port_gateway: Annotated[int, msgspec.Meta(ge=0, le=65_535)] = 0
    port_worker: Annotated[int, msgspec.Meta(ge=0, le=65_535)] = 0
    port_writer: Annotated[int, msgspec.Meta(ge=0, le=65_535)] = 0
    port_deliver: Annotated[int, msgspec.Meta(ge=0, le=65_535)] = 0
    port_serve: Annotated[int, msgspec.Meta(ge=0, le=65_535)] = 0


class Settings(_Strict, frozen=True, kw_only=True):
    """All of `drukte.toml`; `city` is the path of the city file, relative to the settings file."""

    city: Path
    kafka: KafkaSettings = KafkaSettings()
    database: DatabaseSettings = DatabaseSettings()
    clock: ClockSettings = ClockSettings()
    gateway: GatewaySettings = GatewaySettings()
    worker: WorkerSettings = WorkerSettings()
    deliver: DeliverSettings = DeliverSettings()
    serve: ServeSettings = ServeSettings()
    commands: CommandsSettings = CommandsSettings()
    metrics: MetricsSettings = MetricsSettings()


def _path(wanted: type, value: object) -> Path:
    if wanted is Path and isinstance(value, str):
        return Path(value)
    raise TypeError(f"expected a text with a path, got {value!r}")


def load_settings(path: Path | None = None) -> Settings:
    """Read the settings from `path`, else from `$DRUKTE_SETTINGS`, else from ./drukte.toml.

    Raises
    ------
    WrongUseError
        The file is missing or wrong; the text names the key.
    """
    chosen = path or Path(os.environ.get("DRUKTE_SETTINGS") or DEFAULT_PATH)
    try:
        settings = msgspec.toml.decode(chosen.read_bytes(), type=Settings, dec_hook=_path)
    except OSError as error:
        raise WrongUseError(f"{chosen}: cannot be read ({error.strerror}); give it with --settings; "
                            "docs/operate.md shows how to write one") from None
    except msgspec.DecodeError as error:
        hint = "`drukte token new SOURCE` prints the line" if "token_hash" in str(error) else (
            "correct it there; docs/operate.md shows every section")
        raise WrongUseError(f"{chosen}: {error}; {hint}") from None
    return msgspec.structs.replace(settings, city=chosen.parent / settings.city)
