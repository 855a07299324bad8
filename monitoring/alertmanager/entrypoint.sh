#!/bin/sh
# Alertmanager does not read the environment: write its configuration with the receivers that are set, then start it.
set -eu

source=${ALERTMANAGER_CONFIG:-/etc/alertmanager/alertmanager.yml}
config=${TMPDIR:-/tmp}/alertmanager.yml

umask 077
cat "$source" > "$config"
if [ -n "${ALERT_WEBHOOK_URL:-}" ]; then
  printf "    webhook_configs:\n      - url: '%s'\n        send_resolved: true\n" "$ALERT_WEBHOOK_URL" >> "$config"
fi
if [ -n "${SLACK_WEBHOOK_URL:-}" ]; then
  cat >> "$config" <<EOF
    slack_configs:
      - api_url: '$SLACK_WEBHOOK_URL'
        send_resolved: true
        title: '{{ .CommonLabels.alertname }} ({{ .Status }})'
        text: '{{ range .Alerts }}{{ .Annotations.summary }} Runbook: {{ .Annotations.runbook }}{{ "\n" }}{{ end }}'
EOF
fi
exec "${ALERTMANAGER:-/bin/alertmanager}" "--config.file=$config" "$@"
