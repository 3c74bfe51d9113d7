{{/* Name of a part's objects: RELEASE-PART. Called with (list $ "mlflow"). */}}
{{- define "forebay.name" -}}
{{- $root := index . 0 -}}{{- $part := index . 1 -}}
{{- printf "%s-%s" ($root.Release.Name | trunc 40 | trimSuffix "-") $part -}}
{{- end -}}

{{/* Labels by which selectors find a part's pods; they never change. */}}
{{- define "forebay.selector" -}}
{{- $root := index . 0 -}}{{- $part := index . 1 -}}
app.kubernetes.io/name: {{ $part }}
app.kubernetes.io/instance: {{ $root.Release.Name }}
{{- end -}}

{{/* Labels of every object. */}}
{{- define "forebay.labels" -}}
{{- $root := index . 0 -}}
{{ include "forebay.selector" . }}
app.kubernetes.io/part-of: forebay
app.kubernetes.io/version: {{ $root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ $root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" $root.Chart.Name $root.Chart.Version }}
{{- end -}}

{{/* One of our images, pinned by its digest where there is one. Called with (list $ "mlflow"). */}}
{{- define "forebay.image" -}}
{{- $root := index . 0 -}}{{- $target := index . 1 -}}
{{- $images := $root.Values.images -}}
{{- $name := printf "forebay/%s:%s" $target $root.Chart.AppVersion -}}
{{- if $images.registry -}}{{- $name = printf "%s/%s" (trimSuffix "/" $images.registry) $name -}}{{- end -}}
{{- $digest := index $images.digests $target -}}
{{- if $digest -}}{{- $name = printf "%s@%s" $name $digest -}}{{- end -}}
{{- $name -}}
{{- end -}}

{{/* What every pod of ours has in common; no pod of this release talks to the API server. */}}
{{- define "forebay.pod" -}}
automountServiceAccountToken: false
enableServiceLinks: false
{{- with .Values.images.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- end -}}

{{/* Pod Security "restricted", and a root file system that cannot be written. */}}
{{- define "forebay.contained" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
runAsNonRoot: true
capabilities: {drop: [ALL]}
seccompProfile: {type: RuntimeDefault}
{{- end -}}

{{/* A claim's storage class: the cluster's default, none, or a name. */}}
{{- define "forebay.storageClass" -}}
{{- if eq . "-" }}
storageClassName: ""
{{- else if . }}
storageClassName: {{ . }}
{{- end }}
{{- end -}}

{{/* A password that is made once: what the cluster has already stays, and two Secrets of one release can hold the same.
Called with (list $ "secret" "key"). */}}
{{- define "forebay.kept" -}}
{{- $root := index . 0 -}}{{- $name := index . 1 -}}{{- $key := index . 2 -}}
{{- $made := get $root.Values "made" | default dict -}}
{{- $id := printf "%s/%s" $name $key -}}
{{- if not (hasKey $made $id) -}}
{{- $present := lookup "v1" "Secret" $root.Release.Namespace $name -}}
{{- if and $present (hasKey ($present.data | default dict) $key) -}}
{{- $_ := set $made $id (index $present.data $key | b64dec) -}}
{{- else -}}
{{- $_ := set $made $id (randAlphaNum 32) -}}
{{- end -}}
{{- $_ := set $root.Values "made" $made -}}
{{- end -}}
{{- get $made $id -}}
{{- end -}}

{{/* Names of the Secrets, somebody's or this release's own. */}}
{{- define "forebay.postgresSecret" -}}
{{- .Values.postgres.existingSecret | default (include "forebay.name" (list . "postgres")) -}}
{{- end -}}
{{- define "forebay.s3Secret" -}}
{{- if eq .Values.objectStore.mode "bundled" -}}
{{- .Values.s3.existingSecret | default (include "forebay.name" (list . "s3")) -}}
{{- else -}}
{{- .Values.externalS3.existingSecret -}}
{{- end -}}
{{- end -}}
{{- define "forebay.mlflowAuthSecret" -}}
{{- .Values.mlflow.auth.existingSecret | default (include "forebay.name" (list . "mlflow-auth")) -}}
{{- end -}}

{{/* MLflow's user that steps are; no administrator. */}}
{{- define "forebay.runnerUser" -}}pipelines{{- end -}}

{{/* Address of the object store; empty for AWS. */}}
{{- define "forebay.s3Endpoint" -}}
{{- if eq .Values.objectStore.mode "bundled" -}}
http://{{ include "forebay.name" (list . "s3") }}.{{ .Release.Namespace }}.svc:9000
{{- else -}}
{{- .Values.externalS3.endpoint -}}
{{- end -}}
{{- end -}}

{{/* Region of the object store. */}}
{{- define "forebay.s3Region" -}}
{{- ternary "us-east-1" .Values.externalS3.region (eq .Values.objectStore.mode "bundled") -}}
{{- end -}}

{{/* Not empty where the store's keys are this release's own, so that it may write them into other namespaces. */}}
{{- define "forebay.ownStore" -}}
{{- if and (eq .Values.objectStore.mode "bundled") (not .Values.s3.existingSecret) -}}yes{{- end -}}
{{- end -}}

{{/* How KServe's storage initializer reaches the store. */}}
{{- define "forebay.storeAnnotations" -}}
{{- with include "forebay.s3Endpoint" . -}}
serving.kserve.io/s3-endpoint: {{ regexReplaceAll "^https?://" . "" | quote }}
serving.kserve.io/s3-usehttps: {{ ternary "1" "0" (hasPrefix "https://" .) | quote }}
{{ end -}}
serving.kserve.io/s3-region: {{ include "forebay.s3Region" . | quote }}
{{- end -}}

{{/* MLflow's store; what Postgres is reached with stands in a libpq service file. */}}
{{- define "forebay.databaseUri" -}}
{{- if eq .Values.database.mode "sqlite" -}}sqlite:////data/mlflow.db{{- else -}}postgresql://?service=mlflow{{- end -}}
{{- end -}}

{{/* How a container reaches the object store. Where there is no Secret, the pod's identity gives access. */}}
{{- define "forebay.s3Environment" -}}
{{- with include "forebay.s3Endpoint" . }}
- {name: MLFLOW_S3_ENDPOINT_URL, value: {{ . | quote }}}
{{- end }}
- {name: AWS_REGION, value: {{ include "forebay.s3Region" . }}}
- {name: AWS_REQUEST_CHECKSUM_CALCULATION, value: when_required}
- {name: AWS_RESPONSE_CHECKSUM_VALIDATION, value: when_required}
{{- with include "forebay.s3Secret" . }}
- name: AWS_ACCESS_KEY_ID
  valueFrom: {secretKeyRef: {name: {{ . }}, key: access-key}}
- name: AWS_SECRET_ACCESS_KEY
  valueFrom: {secretKeyRef: {name: {{ . }}, key: secret-key}}
{{- end }}
{{- end -}}

{{/* A container that asks MLflow as its administrator, up to further variables: a script of files/, run by the image of MLflow.
Called with (list $ "name" "files/script.py"). */}}
{{- define "forebay.client" -}}
{{- $root := index . 0 -}}{{- $name := index . 1 -}}{{- $script := index . 2 -}}
name: {{ $name }}
image: {{ include "forebay.image" (list $root "mlflow") }}
imagePullPolicy: {{ $root.Values.images.pullPolicy }}
command: [python3, -c]
args:
  - {{ $root.Files.Get $script | toJson }}
resources: {requests: {cpu: 50m, memory: 256Mi}, limits: {memory: 1Gi}}
securityContext: {{- include "forebay.contained" $root | nindent 2 }}
volumeMounts:
  - {name: tmp, mountPath: /tmp}
env:
  - {name: MLFLOW_TRACKING_URI, value: {{ printf "http://%s:5000" (include "forebay.name" (list $root "mlflow")) }}}
  {{- range $variable, $key := dict "MLFLOW_TRACKING_USERNAME" "username" "MLFLOW_TRACKING_PASSWORD" "password" }}
  - name: {{ $variable }}
    valueFrom: {secretKeyRef: {name: {{ include "forebay.mlflowAuthSecret" $root }}, key: {{ $key }}}}
  {{- end }}
{{- end -}}

{{/* Egress to the cluster's name server. */}}
{{- define "forebay.dns" -}}
- to:
    - namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: kube-system}}
  ports:
    - {protocol: UDP, port: 53}
    - {protocol: TCP, port: 53}
{{- end -}}

{{/* A network policy of a part's pods, up to its rules. */}}
{{- define "forebay.policy" -}}
{{- $root := index . 0 -}}{{- $part := index . 1 -}}
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: {{ include "forebay.name" . }}
  namespace: {{ $root.Release.Namespace }}
  labels: {{- include "forebay.labels" . | nindent 4 }}
spec:
  podSelector:
    matchLabels: {{- include "forebay.selector" . | nindent 6 }}
  policyTypes: [Ingress, Egress]
{{- end -}}

{{/* Where pods run; nothing where nothing is asked for. Called with a map that has nodeSelector and tolerations. */}}
{{- define "forebay.placing" -}}
{{- with .nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* The server's runtime, after the formats that it answers to. Called with (list $ nodeSelector tolerations). */}}
{{- define "forebay.runtime" -}}
{{- $root := index . 0 -}}{{- $selector := index . 1 -}}{{- $tolerations := index . 2 -}}
annotations:
  prometheus.kserve.io/port: "8080"
  prometheus.kserve.io/path: /metrics
protocolVersions: [v1, v2, grpc-v2]
{{- with $root.Values.images.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- include "forebay.placing" (dict "nodeSelector" $selector "tolerations" $tolerations) }}
containers:
  - name: kserve-container
    image: {{ include "forebay.image" (list $root "serve") }}
    imagePullPolicy: {{ $root.Values.images.pullPolicy }}
    args: [--models, /mnt/models, --host, 0.0.0.0]
    env:
      - {name: FOREBAY_SERVE_GRPC_PORT, value: "8081"}
      {{- with $root.Values.signing.verifyKeys }}
      - {name: FOREBAY_VERIFY_KEY, value: {{ . | quote }}}
      {{- end }}
    ports:  # the model's service has the first as 80, the second as it is
      - {name: http1, containerPort: 8080, protocol: TCP}
      - {name: h2c, containerPort: 8081, protocol: TCP}
    readinessProbe:
      httpGet: {path: /v2/health/ready, port: 8080}
    resources: {{- toYaml $root.Values.serving.resources | nindent 6 }}
    securityContext: {{- include "forebay.contained" . | nindent 6 }}
    volumeMounts:
      - {name: tmp, mountPath: /tmp}
volumes:
  - name: tmp
    emptyDir: {}
{{- end -}}
