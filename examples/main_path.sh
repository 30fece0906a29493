#!/usr/bin/env bash
# main_path.sh DEEPHEALTH FOLDER: the whole main path on synthetic films, as a person would type it.
set -euo pipefail
deephealth=$1 folder=$2
say() { printf '\n\033[1m$ deephealth %s\033[0m\n' "$*"; "$deephealth" "$@"; }

rm -rf "$folder"
mkdir -p "$folder"
say phantom "$folder/films" --per-class 100
say dataset audit "$folder/films"
say train "$folder/films" --out "$folder/model"
say evaluate "$folder/model/model.onnx" "$folder/films" --audit --html "$folder/evaluation.html"
say predict --model "$folder/model/model.onnx" "$folder/films/viral" --csv "$folder/answers.csv" --heatmap "$folder/heatmaps"
say model verify "$folder/model/model.onnx"

printf '\nThe report lies in %s\n' "$PWD/$folder/model/report.html"
