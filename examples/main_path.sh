#!/usr/bin/env bash
# main_path.sh DEEPHEALTH FOLDER: the whole main path on synthetic films, as a person would type it; then the page, kept in FOLDER-page.
# Where nobody looks (no terminal, or PROVE is set) the page is only tried: started, asked one film, and ended.
set -euo pipefail
deephealth=$1 folder=$2
say() { printf '\n\033[1m$ deephealth %s\033[0m\n' "$*"; "$deephealth" "$@"; }

rm -rf "$folder"
mkdir -p "$folder"
say phantom "$folder/films" --per-class 100
say dataset audit "$folder/films"
say train "$folder/films" --out "$folder/model" --name classroom
say evaluate "$folder/model/model.onnx" "$folder/films" --audit --html "$folder/evaluation.html"
say predict --model "$folder/model/model.onnx" "$folder/films/viral" --csv "$folder/answers.csv" --heatmap "$folder/heatmaps"
say model verify "$folder/model/model.onnx"

printf '\nThe report lies in %s\n' "$PWD/$folder/model/report.html"
page=(serve --data-dir "$folder-page" --classroom "$folder/model/model.onnx")
if [ -t 1 ] && [ -z "${PROVE:-}" ]; then say "${page[@]}"; else say "${page[@]}" --check; fi
