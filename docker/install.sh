#!/bin/sh
# Build-time helper of the Dockerfile: makes an environment, or puts something into one. It is in no final image.
#
#   install.sh NAME TARGET [BELOW]       requirements/NAME.txt into a new environment TARGET, on top of the one in BELOW
#   install.sh --accelerator NAME        refuse an index whose torch build is not the wanted one
set -eu

site_packages() {
	"$1/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))'
}

extra_index=${TORCH_INDEX:+--extra-index-url $TORCH_INDEX}

if [ "$1" = --accelerator ]; then
	# A CUDA build asks for NVIDIA's packages; the report tells before any of the gigabytes are fetched.
	# shellcheck disable=SC2086 # two words, or none
	/opt/pip/bin/pip install --quiet --dry-run --ignore-installed --no-deps $extra_index --report /build/report.json torch
	found=$(python3 -c 'import json
needs = json.load(open("/build/report.json"))["install"][0]["metadata"].get("requires_dist", [])
print("cuda" if any(need.startswith(("nvidia", "cuda")) for need in needs) else "cpu")')
	[ "$found" != "$2" ] || exit 0
	echo "The index gives torch's $found build and ACCELERATOR is $2. Give TORCH_INDEX (the index that pytorch.org's" \
		"installation selector prints for it), a folder WHEELS with the wanted wheel, or ACCELERATOR=$found." >&2
	exit 1
fi

name=$1 target=$2 below=${3:-}
python3 -m venv --without-pip "$target"
{
	echo /opt/code
	[ -z "$below" ] || site_packages "$below"
} >"$(site_packages "$target")/forebay.pth"
# shellcheck disable=SC2086 # two words, or none
/opt/pip/bin/pip --python "$target/bin/python" install \
	$extra_index -r "/build/requirements/$name.txt"
# What no image can use, measured: test suites of libraries (a tenth of the size; numpy's and torch's helpers for tests lie
# elsewhere), torch's headers, C++ tests and protoc (195 MB; there is no compiler), and of Spark the Scala shell and the
# state store of streaming queries (130 MB; nothing here streams).
cd "$(site_packages "$target")"
find . -type d -name tests -prune -exec rm -rf {} +
rm -rf torch/include torch/test
[ ! -d torch/bin ] || find torch/bin -type f ! -name torch_shm_manager -delete
rm -rf pyspark/examples pyspark/jars/connect-repl pyspark/jars/rocksdbjni-*.jar
