{{/* Names and labels that several templates share. */}}

{{- define "shoal.operator" -}}
{{ printf "%s-operator" .Release.Name | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "shoal.installer" -}}
{{ printf "%s-installer" .Release.Name | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "shoal.uninstall" -}}
{{ printf "%s-uninstall" .Release.Name | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "shoal.chart" -}}
{{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 }}
{{- end }}

{{/* Takes a dict: root, component. */}}
{{- define "shoal.selector" -}}
app.kubernetes.io/name: shoal
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end }}

{{- define "shoal.labels" -}}
{{ include "shoal.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/part-of: shoal
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ include "shoal.chart" .root }}
{{- end }}

{{/* Takes a dict: root, image. */}}
{{- define "shoal.image" -}}
{{- $registry := required "image.registry is not set: the registry and folder that `make images PUSH=...` pushed to, such as registry.example/shoal" .root.Values.image.registry -}}
{{- $name := printf "%s/%s" $registry .image.name -}}
{{- if .image.digest }}{{ printf "%s@%s" $name .image.digest }}{{ else }}{{ printf "%s:%s" $name (default .root.Chart.AppVersion .root.Values.image.tag) }}{{ end -}}
{{- end }}

{{- define "shoal.pullSecrets" -}}
{{- with .Values.image.pullSecrets }}
imagePullSecrets:
{{- range . }}
- name: {{ . }}
{{- end }}
{{- end }}
{{- end }}

{{/* What Pod Security `restricted` asks of a container. */}}
{{- define "shoal.restricted" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end }}

{{- define "shoal.restrictedPod" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
seccompProfile: {type: RuntimeDefault}
{{- end }}

{{/* Hooks that `helm uninstall` makes before all else, and takes away after; the weight says in which order. */}}
{{- define "shoal.beforeDelete" }}
helm.sh/hook: pre-delete
helm.sh/hook-weight: {{ . | quote }}
helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded
{{- end }}

{{/* What the operator may do in the namespaces that it looks after. */}}
{{- define "shoal.servicesRules" }}
- apiGroups: [shoal.dev]
  resources: [wasmservices]
  verbs: [list, watch]
- apiGroups: [shoal.dev]
  resources: [wasmservices/status]
  verbs: [patch]
- apiGroups: [apps]
  resources: [deployments]
  verbs: [list, watch, create, patch, delete]
- apiGroups: [batch]
  resources: [cronjobs, jobs]
  verbs: [list, watch, create, patch, delete]
- apiGroups: [""]
  resources: [services]
  verbs: [list, watch, create, patch, delete]
- apiGroups: [autoscaling]
  resources: [horizontalpodautoscalers]
  verbs: [list, watch, create, patch, delete]
- apiGroups: [policy]
  resources: [poddisruptionbudgets]
  verbs: [list, watch, create, patch, delete]
- apiGroups: [networking.k8s.io]
  resources: [networkpolicies]
  verbs: [list, watch, create, patch]
# What services refer to: a changed Secret rolls the service, and its pull secrets open registries.
- apiGroups: [""]
  resources: [configmaps, secrets]
  verbs: [get, list, watch]
# Its pull secrets are those of its pods that name none.
- apiGroups: [""]
  resources: [serviceaccounts]
  verbs: [get]
# Why a revision does not come up.
- apiGroups: [""]
  resources: [pods]
  verbs: [list, watch]
# That a quota let a Job make no pod is said by an event alone.
- apiGroups: [""]
  resources: [events]
  verbs: [list, watch]
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [create, patch]
{{- end }}
