# SPDX-License-Identifier: Apache-2.0
"""The files that let Grafana start with our data source and dashboards, and its few settings of ours.

Grafana puts values of the environment in place of `$NAME`; one that is not set becomes empty without a word.
"""

import json

from dashboards.grafana import DATASOURCE
from dashboards.look import PDOK_GREY, TIMEZONE

DASHBOARD_FOLDER = "/etc/grafana/dashboards/drukte"
HOME = "city-wall.json"
_HEADER = "# SPDX-License-Identifier: Apache-2.0\n# Made by `drukte dashboards build`; do not edit by hand.\n"

_DATASOURCE = f"""\
# The account is a login role of its own with `GRANT drukte_reader`: it can read protected rows and nothing else.
apiVersion: 1
prune: true
datasources:
  - name: Drukte
    uid: {DATASOURCE["uid"]}
    type: {DATASOURCE["type"]}
    access: proxy
    orgId: 1
    url: $DRUKTE_DB_HOST:$DRUKTE_DB_PORT
    user: $DRUKTE_GRAFANA_USER
    isDefault: true
    editable: false
    jsonData:
      database: $DRUKTE_DB_NAME
      sslmode: $DRUKTE_DB_SSLMODE
      postgresVersion: 1500
      timescaledb: true
      timeInterval: 60s
      maxOpenConns: 20
      maxIdleConns: 20
      maxIdleConnsAuto: true
      connMaxLifetime: 14400
    secureJsonData:
      password: $DRUKTE_GRAFANA_PASSWORD
"""

_PROVIDER = f"""\
apiVersion: 1
providers:
  - name: drukte
    orgId: 1
    type: file
    folder: Drukte
    folderUid: drukte
    disableDeletion: true
    allowUiUpdates: false
    editable: false
    updateIntervalSeconds: 30
    options:
      path: {DASHBOARD_FOLDER}
      foldersFromFilesStructure: false
"""

_SETTINGS = f"""\
# The lines of grafana.ini that the dashboards need; everything else is the deployment's own.
[dashboards]
default_home_dashboard_path = {DASHBOARD_FOLDER}/{HOME}
min_refresh_interval = 10s

[date_formats]
default_timezone = {TIMEZONE}

[geomap]
default_baselayer_config = `{json.dumps(PDOK_GREY, ensure_ascii=False)}`

[analytics]
reporting_enabled = false
"""


def provisioning_files() -> dict[str, bytes]:
    """Path below infra/grafana to content."""
    return {
        "provisioning/datasources/drukte.yaml": (_HEADER + _DATASOURCE).encode(),
        "provisioning/dashboards/drukte.yaml": (_HEADER + _PROVIDER).encode(),
        "grafana.ini": (_HEADER + _SETTINGS).encode(),
    }
