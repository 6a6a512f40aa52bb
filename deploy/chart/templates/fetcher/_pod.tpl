{{/* The pod of the daily run, of a backfill and of the test, which differ in their
     arguments: root, profiles (names), args (a list), deadlineHours. */}}
{{- define "paperboy.fetcherPod" -}}
{{- $values := .root.Values -}}
{{- $name := include "paperboy.fullname" .root -}}
{{- include "paperboy.pod" (dict "root" .root) }}
restartPolicy: Never
containers:
  - name: fetcher
    {{- include "paperboy.image" .root | nindent 4 }}
    command: [paperboy-fetcher]
    args:
      - --aggregator=tcp://{{ $name }}-aggregator:5555
      {{- include "paperboy.commonArgs" .root | nindent 6 }}
      - --deadline={{ .deadlineHours }}h
      {{- range .profiles }}
      - --profile=/etc/paperboy/profiles/{{ . }}
      {{- end }}
      {{- range .args }}
      - {{ . | quote }}
      {{- end }}
      {{- with $values.fetcher.contact }}
      - {{ printf "--contact=%s" . | quote }}
      {{- end }}
      {{- with $values.fetcher.arxivRssUrl }}
      - {{ printf "--arxiv-rss-url=%s" . | quote }}
      {{- end }}
      {{- with $values.fetcher.arxivApiUrl }}
      - {{ printf "--arxiv-api-url=%s" . | quote }}
      {{- end }}
      {{- with $values.fetcher.arxivOaiUrl }}
      - {{ printf "--arxiv-oai-url=%s" . | quote }}
      {{- end }}
      {{- with $values.fetcher.semanticScholar.url }}
      - {{ printf "--s2-url=%s" . | quote }}
      {{- end }}
      {{- if $values.fetcher.semanticScholar.existingSecret }}
      - --s2-api-key-file=/etc/paperboy/s2/{{ $values.fetcher.semanticScholar.secretKey }}
      {{- end }}
    env:
      {{- include "paperboy.redisEnv" .root | nindent 6 }}
      {{- with include "paperboy.transportEnv" .root | trim }}{{ . | nindent 6 }}{{ end }}
      {{- with $values.fetcher.env }}{{ include "paperboy.env" . | nindent 6 }}{{ end }}
    ports:
      - name: http
        containerPort: 8080
    {{- include "paperboy.liveness" .root | nindent 4 }}
    {{- include "paperboy.container" .root | nindent 4 }}
    resources: {{ toYaml $values.fetcher.resources | nindent 6 }}
    volumeMounts:
      {{- include "paperboy.profileMounts" . | trim | nindent 6 }}
      {{- with include "paperboy.transportMounts" .root | trim }}{{ . | nindent 6 }}{{ end }}
      {{- if $values.fetcher.semanticScholar.existingSecret }}
      - name: s2
        mountPath: /etc/paperboy/s2
        readOnly: true
      {{- end }}
volumes:
  {{- include "paperboy.profileVolumes" . | trim | nindent 2 }}
  {{- $files := list "fetcher.key" "aggregator.pub" }}
  {{- with include "paperboy.transportVolumes" (dict "root" .root "files" $files) | trim }}{{ . | nindent 2 }}{{ end }}
  {{- with $values.fetcher.semanticScholar.existingSecret }}
  - name: s2
    secret:
      secretName: {{ . }}
      defaultMode: 0440
  {{- end }}
{{- end -}}

{{- define "paperboy.profileMounts" -}}
{{- range .profiles }}
- name: profile-{{ . }}
  mountPath: /etc/paperboy/profiles/{{ . }}
  readOnly: true
{{- end }}
{{- end -}}

{{- define "paperboy.profileVolumes" -}}
{{- $name := include "paperboy.fullname" .root }}
{{- range .profiles }}
- name: profile-{{ . }}
  configMap:
    name: {{ $name }}-profile-{{ . }}
{{- end }}
{{- end -}}

{{/* What waiting and another try mend: 2 (unreachable) and 3 (a later run can score).
     Neither bad usage (1), another revision (4) nor a date that was not announced by the
     deadline (5); the next day's run takes that up. An evicted pod is no failure. */}}
{{- define "paperboy.fetcherFailures" -}}
backoffLimit: 3
podFailurePolicy:
  rules:
    - action: Ignore
      onPodConditions:
        - type: DisruptionTarget
          status: "True"
    - action: FailJob
      onExitCodes:
        containerName: fetcher
        operator: In
        values: [1, 4, 5]
{{- end -}}
