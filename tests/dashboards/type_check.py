# SPDX-License-Identifier: Apache-2.0
"""Dashboards as typed TypeScript literals, and the compiler run over them against one version of Grafana's types.

`options` and `custom` of a panel are open records in the type of a dashboard, so each is checked apart against the
types of its own panel. Enumerations refuse plain texts; `Plain` opens them to the texts that they stand for.
"""

import json
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

Json = dict[str, Any]
VERSIONS = {"12.4": "grafana-schema-12", "13.1": "grafana-schema-13"}
PANEL_MODULES = {
    "geomap": ("GeomapPanelCfg", None), "stat": ("StatPanelCfg", None),
    "state-timeline": ("StateTimelinePanelCfg", "FieldConfig"), "table": ("TablePanelCfg", "FieldConfig"),
    "timeseries": ("TimeSeriesPanelCfg", "FieldConfig"),
}
"""Panel type to its module and the type of its `custom`, where it has one."""
_PLAIN = """\
type Plain<T> = T extends string ? `${T}` : T extends number | boolean | null | undefined | Date ? T
  : T extends Array<infer U> ? Array<Plain<U>> : T extends object ? { [K in keyof T]: Plain<T[K]> } : T;
"""


def literals(dashboard: Json) -> Iterator[tuple[str, Any]]:
    """Pairs of a TypeScript type and the value that has to fit it."""
    yield "Plain<grafana.Dashboard>", _without_query_keys(dashboard)
    for panel in dashboard["panels"]:
        module, custom_type = PANEL_MODULES[panel["type"]]
        yield f"Plain<Partial<{module}.Options>>", panel["options"]
        found = [panel["fieldConfig"]["defaults"].get("custom", {}), *_customs(panel["fieldConfig"]["overrides"])]
        for custom in found if custom_type else ():
            yield f"Plain<Partial<{module}.{custom_type}>>", custom


def _without_query_keys(dashboard: Json) -> Json:
    # What a query holds beside these belongs to its data source, of which no types are published.
    marks = [
        one | {"target": {key: one["target"][key] for key in ("refId", "datasource")}}
        for one in dashboard["annotations"]["list"]
    ]
    return dashboard | {"annotations": {"list": marks}}


def _customs(overrides: list[Json]) -> Iterator[Json]:
    for override in overrides:
        named = {
            one["id"].removeprefix("custom."): one["value"]
            for one in override["properties"] if one["id"].startswith("custom.")
        }
        if named:
            yield named


def source(dashboards: Mapping[str, Json]) -> str:
    """The TypeScript file."""
    lines = ['import type * as grafana from "@grafana/schema";']
    for kind, (module, _) in PANEL_MODULES.items():
        folder = kind.replace("-", "")
        path = f"@grafana/schema/dist/esm/raw/composable/{folder}/panelcfg/x/{module}_types.gen"
        lines.append(f'import type * as {module} from "{path}";')
    lines.append(_PLAIN)
    number = 0
    for dashboard in dashboards.values():
        for wanted, value in literals(dashboard):
            number += 1
            lines.append(f"export const value{number}: {wanted} = {json.dumps(value, ensure_ascii=False, indent=1)};")
    return "\n".join(lines) + "\n"


def complaints(modules: Path, version: str, text: str, folder: Path) -> str:
    """What the compiler says; nothing when all fits.

    Parameters
    ----------
    modules : Path
        The folder `node_modules` with both versions and the compiler.
    version : str
        A key of `VERSIONS`.
    text : str
        The TypeScript file.
    folder : Path
        Where the files of this check go.
    """
    package = modules / VERSIONS[version]
    (folder / "dashboards.ts").write_text(text)
    (folder / "tsconfig.json").write_text(json.dumps({
        "compilerOptions": {
            "strict": True, "noEmit": True, "skipLibCheck": True, "target": "es2022", "module": "esnext",
            "moduleResolution": "bundler", "types": [],
            # The types of a panel import the package by its own name.
            "paths": {"@grafana/schema": [f"{package}/dist/types/index.d.ts"], "@grafana/schema/*": [f"{package}/*"]},
        },
        "files": ["dashboards.ts"],
    }))
    ended = subprocess.run(
        ["node", modules / "typescript" / "bin" / "tsc", "--project", folder],
        capture_output=True, text=True, check=False, timeout=120,
    )
    return ended.stdout + ended.stderr if ended.returncode else ""
