#!/bin/sh
# Build-time helper of the Dockerfile: makes an environment, or puts something into one. It is in no final image.
#
#   install.sh NAME TARGET [BELOW]       requirements/NAME.txt into a new environment TARGET, on top of the one in BELOW
#   install.sh --accelerator NAME        refuse an index whose torch build is not the wanted one
#   install.sh --builder TARGET          a new environment TARGET that builds packages
#   install.sh --build BUILDER FOLDER    wheels of what the index has as source only into FOLDER
#
# pip first chooses versions by the bare pins of constraints.txt, without installing; then it installs exactly these by
# their hashes. torch and torchvision have none, and come from TORCH_INDEX alone where it is given.
set -eu

site_packages() {
	"$1/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))'
}

lock() {
	python3 /build/lock/lockfile.py "$@"
}

pip_for_torch() (
	if [ -n "${TORCH_INDEX:-}" ]; then # the second variable displaces another index that would be asked as well
		export PIP_INDEX_URL="$TORCH_INDEX" PIP_EXTRA_INDEX_URL="$TORCH_INDEX"
	fi
	/opt/pip/bin/pip "$@"
)

lock bare >/build/bare.txt
case $1 in
--accelerator)
	# A CUDA build asks for NVIDIA's packages; the report tells before any of the gigabytes are fetched.
	pip_for_torch install --quiet --dry-run --ignore-installed --no-deps --constraint /build/bare.txt \
		--report /build/report.json torch
	found=$(python3 -c 'import json
needs = json.load(open("/build/report.json"))["install"][0]["metadata"].get("requires_dist", [])
print("cuda" if any(need.startswith(("nvidia", "cuda")) for need in needs) else "cpu")')
	[ "$found" != "$2" ] || exit 0
	echo "The index gives torch's $found build and ACCELERATOR is $2. Give TORCH_INDEX (the index that pytorch.org's" \
		"installation selector prints for it), a folder WHEELS with the wanted wheel, or ACCELERATOR=$found." >&2
	exit 1
	;;
--builder)
	python3 -m venv "$2"
	lock hashed setuptools >/build/setuptools.txt
	"$2/bin/pip" install --no-deps --require-hashes -r /build/setuptools.txt
	exit
	;;
--build)
	# shellcheck disable=SC2046 # a word per package
	lock hashed $(lock pins source | sed 's/==[^ ]*//g') >/build/source.txt
	"$2/bin/pip" wheel --wheel-dir "$3" --no-deps --no-build-isolation --require-hashes -r /build/source.txt
	exit
	;;
esac

name=$1 target=$2 below=${3:-}
python3 -m venv --without-pip "$target"
{
	echo /opt/code
	[ -z "$below" ] || site_packages "$below"
} >"$(site_packages "$target")/forebay.pth"
if [ -z "$below" ] && grep -qx torch "/build/requirements/$name.txt"; then
	# shellcheck disable=SC2046 # a word per package
	pip_for_torch --python "$target/bin/python" install --no-deps $(lock pins unhashed)
fi
/opt/pip/bin/pip --python "$target/bin/python" install --quiet --dry-run --report /build/report.json \
	--constraint /build/bare.txt --find-links /build/built -r "/build/requirements/$name.txt"
lock report /build/report.json >/build/hashed.txt
[ ! -s /build/hashed.txt ] ||
	/opt/pip/bin/pip --python "$target/bin/python" install --no-deps --require-hashes -r /build/hashed.txt
built=$(lock built /build/report.json)
# shellcheck disable=SC2086 # a word per package
[ -z "$built" ] || /opt/pip/bin/pip --python "$target/bin/python" install --no-deps --no-index --find-links /build/built $built
# What no image can use, measured: test suites of libraries (a tenth of the size; numpy's and torch's helpers for tests lie
# elsewhere), torch's headers, C++ tests and protoc (195 MB; there is no compiler), and of Spark the Scala shell and the
# state store of streaming queries (130 MB; nothing here streams).
cd "$(site_packages "$target")"
find . -type d -name tests -prune -exec rm -rf {} +
rm -rf torch/include torch/test
[ ! -d torch/bin ] || find torch/bin -type f ! -name torch_shm_manager -delete
rm -rf pyspark/examples pyspark/jars/connect-repl pyspark/jars/rocksdbjni-*.jar
