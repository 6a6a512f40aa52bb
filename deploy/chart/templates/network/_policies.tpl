{{- define "paperboy.policy" }}
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: {{ include "paperboy.fullname" .root }}-{{ .name }}
  labels:
    {{- include "paperboy.labels" .root | nindent 4 }}
{{- end -}}

{{/* The labels of a component's pods, of a list of the root and the component. */}}
{{- define "paperboy.peer" -}}
{{ include "paperboy.selector" (index . 0) }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end -}}

{{- define "paperboy.namespaces" -}}
{{- range . }}
- namespaceSelector:
    matchLabels:
      kubernetes.io/metadata.name: {{ . | quote }}
{{- end }}
{{- end -}}

{{/* No rule at all without a namespace: a rule from nobody is one from everybody. */}}
{{- define "paperboy.fromMonitoring" -}}
{{- $namespaces := .Values.networkPolicy.monitoringNamespaces -}}
{{- if and .Values.monitoring.serviceMonitor.enabled $namespaces -}}
ingress:
  - from: {{- include "paperboy.namespaces" $namespaces | nindent 6 }}
    ports:
      - port: http
{{- end -}}
{{- end -}}

{{- define "paperboy.toRedis" -}}
{{- $root := index . 0 -}}
to:
  {{- if include "paperboy.embeddedRedis" $root }}
  - podSelector:
      matchLabels: {{ include "paperboy.peer" (list $root "redis") | nindent 8 }}
  {{- else }}
  - ipBlock:
      cidr: {{ $root.Values.networkPolicy.externalRedisCIDR }}
  {{- end }}
ports:
  - port: {{ index . 1 }}
{{- end -}}

{{/* Port 443 outside the cluster's own ranges. */}}
{{- define "paperboy.toOutside" -}}
to:
  - ipBlock:
      cidr: 0.0.0.0/0
      except: {{ toYaml .Values.networkPolicy.clusterCIDRs | nindent 8 }}
  - ipBlock:
      cidr: ::/0
      except: {{ toYaml .Values.networkPolicy.clusterCIDRsV6 | nindent 8 }}
ports:
  - port: 443
{{- end -}}

{{/* Refuses a server that these policies would cut off from component, whose value it is.
     What whole egress rules open is not known here. */}}
{{- define "paperboy.reaches" -}}
{{- $policy := .root.Values.networkPolicy -}}
{{- if and .url (not (get $policy (print .component "Egress"))) -}}
{{- $url := urlParse .url -}}
{{- $host := $url.hostname | lower | trimSuffix "." -}}
{{- $port := default (ternary "443" "80" (eq $url.scheme "https")) (regexFind "[0-9]+$" (regexFind ":[0-9]+$" $url.host)) -}}
{{- if or (ne $port "443") (regexMatch `^[^.:]+$|\.svc$|\.cluster\.local$` $host) -}}
{{- fail (printf "%s is at %s, port %s, but the network policies open port 443 outside the cluster alone: set networkPolicy.%sEgress to whole egress rules" .value $host $port .component) -}}
{{- else if and $policy.cilium.enabled (not (has $host (get $policy.cilium (print .component "Hosts") | join " " | lower | splitList " "))) -}}
{{- fail (printf "%s is at %s, which is not in networkPolicy.cilium.%sHosts: add it there, or set networkPolicy.%sEgress" .value $host .component .component) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* Host names in place of addresses: root, component, hosts. Cilium learns the
     addresses from the answers of the cluster's DNS, which it has to see for that. */}}
{{- define "paperboy.cilium" }}
{{- $root := index . 0 }}
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata:
  name: {{ include "paperboy.fullname" $root }}-{{ index . 1 }}-hosts
  labels:
    {{- include "paperboy.labels" $root | nindent 4 }}
spec:
  endpointSelector:
    matchLabels: {{ include "paperboy.peer" (list $root (index . 1)) | nindent 6 }}
  egress:
    - toEndpoints:
        - matchLabels:
            k8s:io.kubernetes.pod.namespace: kube-system
            k8s:k8s-app: kube-dns
      toPorts:
        - ports:
            - {port: "53", protocol: ANY}
          rules:
            dns:
              - matchPattern: "*"
    {{- with index . 2 }}
    - toFQDNs:
        {{- range . }}
        - matchName: {{ . | quote }}
        {{- end }}
      toPorts:
        - ports:
            - {port: "443", protocol: TCP}
    {{- end }}
{{- end -}}
