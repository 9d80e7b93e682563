"""The indices behind the search: one a month, each behind two aliases, so that it can be rebuilt and nobody notices.

    voxflow-transcripts                  read alias, of all months: what searches ask
    voxflow-transcripts-2026.11          write alias, of one month: what delivery writes to
    voxflow-transcripts-2026.11-live     the index itself, as delivery made it; a rebuilt one ends in its own label

A data stream, or an alias that rolls over, sends a record that is written again to the newest index, where nothing
tells that an older one holds it already. The month of the segment's own time is always the same.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from elasticsearch import BadRequestError, NotFoundError, UnsupportedProductError

from pipeline.adapters.elasticsearch import Client
from pipeline.config import ElasticsearchSettings
from pipeline.delivery.documents import ANALYSIS, DAY_MS, MAPPINGS, UNDATED, month_ended_ms

PRODUCT: Final = "x-elastic-product"
"""The header that names the server; the client looks at it only where an answer is good."""

LIVE: Final = "live"
TEMPLATE_PRIORITY: Final = 200
"""To which the length of the prefix is added: of two that begin alike the longer one holds."""

BASICS: Final[dict[str, Any]] = {"number_of_shards": 1, "auto_expand_replicas": "0-1", "refresh_interval": "1s"}
"""The interval is named although it is the default: without it, an index that nobody searched for a while does not show
new documents until somebody does."""

SETTINGS: Final = BASICS | {"analysis": ANALYSIS}

Action = dict[str, dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Index:
    """An index by its parts, and its identity: a new index of the same name has another ``uuid``."""

    name: str
    month: str
    label: str
    uuid: str


@dataclass(frozen=True, slots=True)
class Indices:
    """The indices of one prefix. Every method may raise what the client raises."""

    client: Client
    settings: ElasticsearchSettings

    @property
    def read_alias(self) -> str:
        return self.settings.prefix

    def write_alias(self, month: str) -> str:
        return f"{self.settings.prefix}-{month}"

    def name(self, month: str, label: str) -> str:
        return f"{self.settings.prefix}-{month}-{label}"

    def create_live(self, month: str) -> None:
        """Makes the month's index, aliases included, unless another process was quicker."""
        aliases: dict[str, dict[str, Any]] = {self.read_alias: {}, self.write_alias(month): {}}
        if not self.create(self.name(month, LIVE), aliases):
            self.client.indices.update_aliases(actions=self._adding(self.name(month, LIVE), month))

    def create(self, name: str, aliases: Mapping[str, Mapping[str, Any]]) -> bool:
        """Makes an index by the template; False where it is there already."""
        self.put_template()
        return created(self.client, name, aliases)

    def put_template(self) -> None:
        """What every index of the prefix is made by.

        Operators overrule it, say the number of shards, in a component template of the name PREFIX@custom.
        """
        prefix = self.settings.prefix
        ours, custom = f"{prefix}@voxflow", f"{prefix}@custom"
        self.client.cluster.put_component_template(name=ours, template={"settings": SETTINGS, "mappings": MAPPINGS})
        self.client.indices.put_index_template(
            name=prefix,
            index_patterns=[f"{prefix}-*.*-*", f"{prefix}-{UNDATED}-*"],
            priority=TEMPLATE_PRIORITY + len(prefix),
            composed_of=[ours, custom],
            ignore_missing_component_templates=[custom],
        )

    def published(self) -> list[Index]:
        """The indices that searches ask."""
        return [self._index(name, uuid) for name, uuid in uuids(self.client, self.read_alias).items()]

    def switch(self, new: Sequence[Index], old: Sequence[Index]) -> None:
        """Puts new indices behind the aliases in place of old ones, all at once."""
        actions: list[Action] = [action for index in new for action in self._adding(index.name, index.month)]
        actions += [self._removing(index, alias) for index in old for alias in self._aliases(index)]
        if actions:
            self.client.indices.update_aliases(actions=actions)

    def delete(self, indices: Sequence[Index]) -> None:
        for index in indices:
            self.client.indices.delete(index=index.name, ignore_unavailable=True)

    def delete_expired(self, now_ms: int) -> list[str]:
        """Deletes the indices whose months ended longer ago than they are kept; their names."""
        expired = [index for index in self.published() if self.is_expired(index.month, now_ms)]
        self.delete(expired)
        return [index.name for index in expired]

    def is_expired(self, month: str, now_ms: int) -> bool:
        ended_ms, days = month_ended_ms(month), self.settings.retention_days
        return days > 0 and ended_ms is not None and now_ms - ended_ms > days * DAY_MS

    def index(self, name: str) -> Index:
        """The index of that name as it is now."""
        found = self.client.indices.get_settings(index=name, name="index.uuid")
        return self._index(name, found.body[name]["settings"]["index"]["uuid"])

    def _removing(self, index: Index, alias: str) -> Action:
        return {"remove": {"index": index.name, "alias": alias}}

    def _aliases(self, index: Index) -> tuple[str, str]:
        return self.read_alias, self.write_alias(index.month)

    def _adding(self, name: str, month: str) -> list[Action]:
        return [{"add": {"index": name, "alias": alias}} for alias in (self.read_alias, self.write_alias(month))]

    def _index(self, name: str, uuid: str) -> Index:
        month, _, label = name.removeprefix(f"{self.settings.prefix}-").partition("-")
        return Index(name, month, label, uuid)


def created(
    client: Client,
    name: str,
    aliases: Mapping[str, Mapping[str, Any]],
    mappings: Mapping[str, Any] | None = None,
    settings: Mapping[str, Any] | None = None,
) -> bool:
    """Makes an index, as a template says where nothing else does; False where it is there already."""
    try:
        client.indices.create(index=name, aliases=aliases, mappings=mappings, settings=settings)
    except BadRequestError as exc:
        if exc.message != "resource_already_exists_exception":
            raise
        return False
    return True


def uuids(client: Client, alias: str) -> dict[str, str]:
    """The indices behind an alias, by name, and their identities; none where there is no such alias."""
    try:
        found = client.indices.get_settings(index=alias, name="index.uuid")
    except NotFoundError as exc:
        if exc.meta.headers.get(PRODUCT) != "Elasticsearch":
            raise UnsupportedProductError("not Elasticsearch", exc.meta, exc.body) from exc
        return {}
    return {name: body["settings"]["index"]["uuid"] for name, body in found.body.items()}
