{{- define "paperboy.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- if contains $name .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* What never changes, for selectors. */}}
{{- define "paperboy.selector" -}}
app.kubernetes.io/name: {{ default .Chart.Name .Values.nameOverride | quote }}
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end -}}

{{- define "paperboy.labels" -}}
{{ include "paperboy.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/part-of: paperboy
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end -}}

{{/* Of a dict with repository, tag, digest and the tag's default. */}}
{{- define "paperboy.imageOf" -}}
{{- if .image.digest -}}
{{ .image.repository }}@{{ .image.digest }}
{{- else -}}
{{ .image.repository }}:{{ default .tag .image.tag }}
{{- end -}}
{{- end -}}

{{- define "paperboy.image" -}}
image: {{ include "paperboy.imageOf" (dict "image" .Values.image "tag" .Chart.AppVersion) | quote }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
{{- end -}}

{{/* Of every pod; no user but Redis's own differs. */}}
{{- define "paperboy.pod" -}}
{{- $user := default 10001 .user -}}
automountServiceAccountToken: false
# The names that it would set, as PAPERBOY_REDIS_PORT, look like options.
enableServiceLinks: false
securityContext:
  runAsNonRoot: true
  runAsUser: {{ $user }}
  runAsGroup: {{ $user }}
  fsGroup: {{ $user }}
  fsGroupChangePolicy: OnRootMismatch
  seccompProfile:
    type: RuntimeDefault
{{- with .root.Values.imagePullSecrets }}
imagePullSecrets: {{ toYaml . | nindent 2 }}
{{- end }}
{{- with .root.Values.nodeSelector }}
nodeSelector: {{ toYaml . | nindent 2 }}
{{- end }}
{{- with .root.Values.tolerations }}
tolerations: {{ toYaml . | nindent 2 }}
{{- end }}
{{- with .root.Values.affinity }}
affinity: {{ toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{- define "paperboy.container" -}}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities:
    drop: [ALL]
{{- end -}}

{{- define "paperboy.embeddedRedis" -}}
{{- with .Values.externalRedis -}}
{{- if and .url .existingSecret -}}
{{- fail "externalRedis.url and externalRedis.existingSecret are two places of one Redis: set one of them, and take the other back with --set externalRedis.url=null or --set externalRedis.existingSecret=null" -}}
{{- end -}}
{{- end -}}
{{- if not (or .Values.externalRedis.url .Values.externalRedis.existingSecret) -}}yes{{- end -}}
{{- end -}}

{{/* A URL can hold a password, and everybody can read arguments. */}}
{{- define "paperboy.redisEnv" -}}
{{- if .Values.externalRedis.existingSecret -}}
- name: PAPERBOY_REDIS
  valueFrom:
    secretKeyRef:
      name: {{ .Values.externalRedis.existingSecret }}
      key: {{ .Values.externalRedis.secretKey }}
{{- else if .Values.externalRedis.url -}}
- name: PAPERBOY_REDIS
  value: {{ .Values.externalRedis.url | quote }}
{{- else if .Values.redis.existingSecret -}}
- name: REDIS_PASSWORD
  valueFrom:
    secretKeyRef:
      name: {{ .Values.redis.existingSecret }}
      key: {{ .Values.redis.secretKey }}
- name: PAPERBOY_REDIS
  value: redis://:$(REDIS_PASSWORD)@{{ include "paperboy.fullname" . }}-redis:6379/0
{{- else -}}
- name: PAPERBOY_REDIS
  value: redis://{{ include "paperboy.fullname" . }}-redis:6379/0
{{- end -}}
{{- end -}}

{{- define "paperboy.redisPort" -}}
{{- if .Values.externalRedis.existingSecret -}}
{{ .Values.externalRedis.port }}
{{- else if .Values.externalRedis.url -}}
{{ default "6379" (regexFind "^[0-9]+" (regexFind "[0-9]+(/[0-9]*)?$" (regexFind ":[0-9]+(/[0-9]*)?$" .Values.externalRedis.url))) }}
{{- else -}}
6379
{{- end -}}
{{- end -}}

{{- define "paperboy.backend" -}}
{{- $given := or .Values.scorer.existingSecret .Values.scorer.llmUrl -}}
{{- $backend := .Values.scorer.backend -}}
{{- if and $backend (ne $backend "lexical") (not $given) -}}
{{- fail (printf "scorer.backend is %s, so scorer.existingSecret has to name a Secret with its key, or scorer.llmUrl a server that needs none" $backend) -}}
{{- end -}}
{{- if and (has $backend (list "azure" "anthropic")) (not .Values.scorer.model) -}}
{{- fail (printf "scorer.backend is %s, so scorer.model has to name the model, or Azure's deployment" $backend) -}}
{{- end -}}
{{- if and (eq $backend "azure") (not .Values.scorer.llmUrl) -}}
{{- fail "scorer.backend is azure, so scorer.llmUrl has to be the resource's address, as https://RESOURCE.openai.azure.com" -}}
{{- end -}}
{{- default (ternary "openai" "lexical" (not (empty $given))) $backend -}}
{{- end -}}

{{- define "paperboy.commonArgs" -}}
- --http=0.0.0.0:8080
- --log-level={{ .Values.logLevel }}
- --log-format={{ .Values.logFormat }}
{{- end -}}

{{/* The names of the profiles, as a JSON list. */}}
{{- define "paperboy.profiles" -}}
{{- $names := list -}}
{{- range $name, $_ := .Values.profiles }}{{ $names = append $names $name }}{{ end -}}
{{- default (list "default") $names | sortAlpha | toJson -}}
{{- end -}}

{{/* Liveness of all three: the loop has turned within 10 s. */}}
{{- define "paperboy.liveness" -}}
livenessProbe:
  httpGet:
    path: /healthz
    port: http
  periodSeconds: 10
  timeoutSeconds: 5
  failureThreshold: 6
{{- end -}}

{{- define "paperboy.env" -}}
{{- range $name, $value := . }}
- name: {{ $name }}
  value: {{ $value | quote }}
{{- end }}
{{- end -}}
