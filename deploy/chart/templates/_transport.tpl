{{/* Where a process finds its keys, and whom it trusts for Redis by TLS. No key is in the
     environment: only paths are. */}}
{{- define "paperboy.transportEnv" -}}
{{- if .Values.curve.enabled }}
- name: PAPERBOY_KEYS
  value: /etc/paperboy/keys
{{- end }}
{{- if .Values.externalRedis.caSecret }}
- name: PAPERBOY_REDIS_CA
  value: /etc/paperboy/redis-ca/{{ .Values.externalRedis.caKey }}
{{- end }}
{{- end -}}

{{/* Folders and not single files, which would not follow a changed Secret. */}}
{{- define "paperboy.transportMounts" -}}
{{- if .Values.curve.enabled }}
- name: keys
  mountPath: /etc/paperboy/keys
  readOnly: true
{{- end }}
{{- if .Values.externalRedis.caSecret }}
- name: redis-ca
  mountPath: /etc/paperboy/redis-ca
  readOnly: true
{{- end }}
{{- end -}}

{{/* root and files: of the keys a pod has those of its role. */}}
{{- define "paperboy.transportVolumes" -}}
{{- $values := .root.Values }}
{{- if $values.curve.enabled }}
- name: keys
  secret:
    secretName: {{ required "curve.enabled: curve.existingSecret has to name a Secret with the files that `paperboy-aggregator keys DIR` makes" $values.curve.existingSecret }}
    defaultMode: 0440
    items:
      {{- range .files }}
      - key: {{ . }}
        path: {{ . }}
      {{- end }}
{{- end }}
{{- if $values.externalRedis.caSecret }}
- name: redis-ca
  secret:
    secretName: {{ $values.externalRedis.caSecret }}
    defaultMode: 0440
    items:
      - key: {{ $values.externalRedis.caKey }}
        path: {{ $values.externalRedis.caKey }}
{{- end }}
{{- end -}}
