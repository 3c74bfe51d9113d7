{{/* Refuse an absent Secret or key. Called with (list $ "value" "its secret" (list "key" …)). */}}
{{- define "forebay.needSecret" -}}
{{- $root := index . 0 -}}{{- $value := index . 1 -}}{{- $name := index . 2 -}}{{- $keys := index . 3 -}}
{{- if $name -}}
{{- $present := lookup "v1" "Secret" $root.Release.Namespace $name -}}
{{- if not $present -}}
{{- fail (printf "%s is %q: there is no such Secret in the namespace %s. Create it there with %s %s, or name another." $value $name $root.Release.Namespace (ternary "the key" "the keys" (eq (len $keys) 1)) (join ", " $keys)) -}}
{{- end -}}
{{- range $key := $keys -}}
{{- if not (hasKey ($present.data | default dict) $key) -}}
{{- fail (printf "%s is %q: that Secret of the namespace %s has no key %s. Add it; it needs %s." $value $name $root.Release.Namespace $key (join ", " $keys)) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* Refuse an absent key that signs models; its Secret is in the steps' namespace, and has one name. Called with $. */}}
{{- define "forebay.needSigningKey" -}}
{{- $space := .Values.pipelines.namespace -}}
{{- $present := lookup "v1" "Secret" $space "forebay-signing" -}}
{{- if not (hasKey (get ($present | default dict) "data" | default dict) "key.pem") -}}
{{- fail (printf "signing.enabled is true: the namespace %s has no Secret forebay-signing with the key key.pem. Create it: kubectl create secret generic forebay-signing --namespace %s --from-file=key.pem." $space $space) -}}
{{- end -}}
{{- end -}}

{{/* Refuse an absent storage class, unless the claim is there already. Called with (list $ "part of the values" "claim"). */}}
{{- define "forebay.needClass" -}}
{{- $root := index . 0 -}}{{- $part := index . 1 -}}{{- $claim := index . 2 -}}
{{- $class := (index $root.Values $part).storage.className -}}
{{- if and $class (ne $class "-") (not (lookup "storage.k8s.io/v1" "StorageClass" "" $class)) (not (lookup "v1" "PersistentVolumeClaim" $root.Release.Namespace $claim)) -}}
{{- $names := list -}}
{{- range (lookup "storage.k8s.io/v1" "StorageClass" "" "").items -}}{{- $names = append $names .metadata.name -}}{{- end -}}
{{- fail (printf "%s.storage.className is %q: the cluster has no such storage class, it has %s. Name one of them, or leave it empty for the cluster's default." $part $class (join ", " $names | default "none")) -}}
{{- end -}}
{{- end -}}

{{/* Refuse an absent namespace: Helm would find out after half of the objects. Called with (list $ "value" "namespace"). */}}
{{- define "forebay.needNamespace" -}}
{{- $root := index . 0 -}}{{- $value := index . 1 -}}{{- $name := index . 2 -}}
{{- if and (ne $name $root.Release.Namespace) (not (lookup "v1" "Namespace" "" $name)) -}}
{{- fail (printf "%s is %q: there is no such namespace. Create it first (kubectl create namespace %s), or name another." $value $name $name) -}}
{{- end -}}
{{- end -}}
