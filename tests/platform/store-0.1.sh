#!/usr/bin/env bash
# A small store of release 0.1, for tests/platform/test_old_store.py: real runs, searches, a study of
# variants, a frozen sample, verdicts, a bundle and a backup, at sizes that fit into a megabyte.
#
#   tests/platform/store-0.1.sh CLONE PYTHON ARCHIVE
#
# CLONE is a clone of the repository at the commit whose code is to write the store (9d1fc14), PYTHON has its
# dependencies, ARCHIVE is the file to make (*.tar.xz). Needs Linux, root (for a namespace of its own, in which
# user, host and folders have the same names wherever it is made), git and sqlite3.
set -euo pipefail

if [ -z "${INSIDE:-}" ]; then
    export INSIDE=1 CLONE=$(realpath "$1") PYTHON=$(realpath -s "$2") ARCHIVE=$(realpath "$3")
    exec unshare --mount --uts "$(realpath "$0")"
fi
hostname lab
place=$(mktemp -d)
git clone -q "$CLONE" "$place/shashlik"
git -C "$place/shashlik" remote remove origin
mkdir -p "$place/lab" "$place/cache/tmp"
mount --bind "$place" /srv
trap 'cp "$place/cache/log" "${ARCHIVE%.tar.xz}.log" || true; cd /; umount -l /srv; rm -rf "$place"' EXIT
export USER=ada LOGNAME=ada LNAME=ada USERNAME=ada HOME=/srv/cache XDG_CACHE_HOME=/srv/cache
export TMPDIR=/srv/cache/tmp PYTHONPATH=/srv/shashlik PYTHONDONTWRITEBYTECODE=1 MLFLOW_DISABLE_TELEMETRY=true
export MLFLOW_TRACKING_URI=sqlite:////srv/lab/mlflow.db
cd /srv/lab

shashlik() {
    echo "== shashlik $*" >&2
    nice -n 10 "$PYTHON" -P -W ignore -m projects "$@" 2>>/srv/cache/log | tail -n 3
}
rows() { sqlite3 -cmd ".timeout 5000" mlflow.db "$1" 2>/dev/null || true; }
# Wait until a query answers something, while a process lives.
until_told() {
    while [ -z "$(rows "$2")" ]; do kill -0 "$1"; sleep 0.05; done
}

test "$(nice "$PYTHON" -P -c 'import projects; print(projects.__file__)')" = /srv/shashlik/projects/__init__.py
small=(--preset smoke --test_events 400)

# A task with a network of 20 weights. Versions 1 to 3: an approximation, the exact form, that of the original study.
shashlik run mass "${small[@]}" --network squares-softplus-3
shashlik run mass "${small[@]}"
shashlik run mass --preset seed --train_events 2000 --test_events 400

# Killed in the last of its three stages, when the checkpoint of the second was kept. The next run marks it.
"$PYTHON" -P -W ignore -m projects run mass --preset seed --train_events 2000 --test_events 400 --seed 7 \
    >/dev/null 2>>/srv/cache/log &
until_told $! "SELECT 1 FROM tags WHERE key = 'checkpoint' AND value LIKE 'second %' AND run_uuid IN
    (SELECT run_uuid FROM params WHERE key = 'cfg.seed' AND value = '7')"
kill -KILL $!
wait $! 2>/dev/null || true

# The registry. Version 1 becomes champion, 2 beats it, is taken back, and comes again; 4 and 5 are baselines.
shashlik freeze mass --events 800
shashlik baselines mass --train_events 400 --test_events 400
shashlik promote mass --model 1
shashlik promote mass --model 2
shashlik rollback mass --why "the larger sample first"
shashlik override mass --version 2 --why "the larger sample agrees"
# Version 3 is only looked at, and rejected (exit code 1).
shashlik promote mass --model 3 --look || true

# A search to its end, whose best trial is version 6; one of its trials has the network called 'seed'.
shashlik tune mass "${small[@]}" --space architectures --algorithm random --seed 26 \
    --trials 3 --best 1 --validation_events 400

# Another one, interrupted as by Ctrl-C when one of its trials has ended.
tiny=(--network_events 1000 --epochs 1 --train_events 300 --test_events 300)
"$PYTHON" -c 'import os, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # in the background it would be ignored
os.execv(sys.argv[1], sys.argv[1:])' "$PYTHON" -P -W ignore -m projects tune ecal_stage1 "${tiny[@]}" \
    --space seed --algorithm random --trials 2 --best 0 --validation_events 300 >/dev/null 2>>/srv/cache/log &
below="tags t JOIN runs r USING (run_uuid) JOIN experiments e USING (experiment_id)
    WHERE e.name = 'ecal_stage1' AND t.key = 'mlflow.parentRunId'"
until_told $! "SELECT 1 FROM tags WHERE key = 'checkpoint' AND run_uuid IN
    (SELECT t.value FROM $below AND r.status = 'FINISHED')"
until_told $! "SELECT 1 FROM $below AND r.status = 'RUNNING' AND run_uuid IN
    (SELECT run_uuid FROM tags WHERE key = 'trial.kind')"
kill -INT $!
wait $! || true

# A study of two variants, and runs of other tasks: with classical methods beside the original network, and a
# classification.
shashlik study ecal_stage1 "${tiny[@]}" --variants dropout --seeds 1
shashlik run clas12_proton --preset seed --width 16 --depth 1 --network_events 1000 --epochs 1 \
    --train_events 400 --test_events 400
shashlik run pnn --preset seed --train_events 1600 --test_events 400 --members 1 --epochs 1 --comparisons false \
    --trees 0 --cuts false

# What a person carries away: a bundle of the champion, events, and what the champion says of them.
mkdir /srv/carried
shashlik export champion /srv/carried/bundle --task mass
shashlik simulate mass /srv/carried/events.root --events 200 --seed 11
shashlik predict /srv/carried/events.root /srv/carried/predictions.root --task mass
shashlik history mass --verify
shashlik doctor mass

# Not part of the archive: figures, which only descriptions in mlflow's own pages show, and checkpoints of what
# has ended.
find mlruns -path '*/figures/*' -name '*.png' -delete
rows "SELECT artifact_uri FROM runs WHERE status = 'FINISHED'" | sed 's/$/\/checkpoint/' | xargs rm -rf
find mlruns -type d -empty -delete
rows "VACUUM"
rm -f mlflow.db-wal mlflow.db-shm
shashlik backup /srv/carried/backup
cp -r /srv/lab /srv/carried/store
tar -C /srv/carried --sort=name --owner=0 --group=0 --numeric-owner --mtime=@0 -c \
    store backup bundle events.root predictions.root | xz -9e >"$ARCHIVE"
ls -l "$ARCHIVE"
