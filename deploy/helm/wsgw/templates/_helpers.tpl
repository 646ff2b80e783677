{{- define "wsgw.name" -}}
{{- .Values.nameOverride | default .Chart.Name | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "wsgw.fullname" -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 55 | trimSuffix "-" }}
{{- else if contains (include "wsgw.name" .) .Release.Name }}
{{- .Release.Name | trunc 55 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name (include "wsgw.name" .) | trunc 55 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{- define "wsgw.selector" -}}
app.kubernetes.io/name: {{ include "wsgw.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "wsgw.labels" -}}
{{ include "wsgw.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end }}

{{- define "wsgw.serviceAccount" -}}
{{- if .Values.serviceAccount.create }}
{{- .Values.serviceAccount.name | default (include "wsgw.fullname" .) }}
{{- else }}
{{- .Values.serviceAccount.name | default "default" }}
{{- end }}
{{- end }}

{{/* The settings file: what the values say, then what the chart decides. */}}
{{- define "wsgw.settings" -}}
{{- $settings := deepCopy .Values.settings }}
{{- $_ := set $settings "host" "0.0.0.0" }}
{{- $_ := set $settings "port" 8080 }}
{{- /* On every address: the kubelet and Prometheus use the pod's, `wsgw connections` in the pod uses loopback. */}}
{{- $_ := set $settings "control_host" "0.0.0.0" }}
{{- $_ := set $settings "control_port" 8081 }}
{{- if not (hasKey $settings "public_url") }}
{{- /* Where backends push to: any node reaches any connection. */}}
{{- $scheme := ternary "https" "http" (ne .Values.tls.existingSecret "") }}
{{- $name := printf "%s.%s.svc" (include "wsgw.fullname" .) .Release.Namespace }}
{{- $_ := set $settings "public_url" (printf "%s://%s:%v" $scheme $name .Values.service.port) }}
{{- end }}
{{- if .Values.redis.url }}{{ $_ := set $settings "redis" .Values.redis.url }}{{ end }}
{{- if .Values.redis.ca.existingSecret }}{{ $_ := set $settings "redis_ca" "/etc/wsgw/redis-ca/ca.crt" }}{{ end }}
{{- if .Values.insecure }}{{ $_ := set $settings "insecure" true }}{{ end }}
{{- if .Values.tls.existingSecret }}
{{- $_ := set $settings "tls_cert" "/etc/wsgw/tls/tls.crt" }}
{{- $_ := set $settings "tls_key" "/etc/wsgw/tls/tls.key" }}
{{- end }}
{{- toYaml $settings }}
{{- end }}

{{- define "wsgw.definitions" -}}
{{- .Values.definitions.existingConfigMap | default (printf "%s-definitions" (include "wsgw.fullname" .)) }}
{{- end }}

{{/* Seconds until Kubernetes kills: the pause before SIGTERM, the drain, the rest (defaults of the gateway), and some. */}}
{{- define "wsgw.grace" -}}
{{- $drain := dig "drain_seconds" 10 .Values.settings }}
{{- $stop := dig "stop_seconds" 30 .Values.settings }}
{{- add .Values.preStopSeconds (ceil $drain) (ceil $stop) 10 }}
{{- end }}

{{/* Values that only together make no sense. */}}
{{- define "wsgw.check" -}}
{{- if and (not .Values.redis.url) (or .Values.autoscaling.enabled (gt (int .Values.replicas) 1)) }}
{{- fail "more than one node needs a store that they share: set redis.url, or replicas: 1 without autoscaling" }}
{{- end }}
{{- if and (not .Values.redis.url) (gt (int (dig "workers" 1 .Values.settings)) 1) }}
{{- fail "more than one worker needs a store that they share: set redis.url, or leave settings.workers at 1" }}
{{- end }}
{{- if and .Values.redis.url (not .Values.clusterSecret.existingSecret) }}
{{- fail "nodes sign what they tell each other: set clusterSecret.existingSecret" }}
{{- end }}
{{- if and (not .Values.definitions.files) (not .Values.definitions.existingConfigMap) }}
{{- fail "there is nothing to serve: set definitions.files or definitions.existingConfigMap" }}
{{- end }}
{{- if and .Values.autoscaling.enabled (gt (int .Values.autoscaling.minReplicas) (int .Values.autoscaling.maxReplicas)) }}
{{- fail "autoscaling.minReplicas is above maxReplicas" }}
{{- end }}
{{- end }}
