#!/bin/sh
# checkout.sh REPOSITORY COMMIT FOLDER: the files of exactly that commit, without their history.
set -eu
repository=$1 commit=$2 folder=$3

# A branch or a tag can be moved by whoever owns it; the full id of a commit is the hash of what it holds.
case $commit in
  *[!0-9a-f]*) valid=no ;;
  *) valid=yes ;;
esac
if [ "$valid" = no ] || [ "${#commit}" -ne 40 ]; then
  echo "checkout: '$commit' is no full commit id (40 hexadecimal digits, lower case)" >&2
  exit 64
fi

# It stands in the image's labels and history.
case $repository in
  *://*@*)
    echo 'checkout: no user name, password or token in the address of a repository, please' >&2
    exit 64
    ;;
esac

git init --quiet "$folder"
cd "$folder"
# Not every server hands out a commit that is no branch's tip: then all of them are fetched.
git fetch --quiet --depth 1 "$repository" "$commit" ||
  git fetch --quiet "$repository" '+refs/heads/*:refs/remotes/source/*' '+refs/tags/*:refs/tags/*'
git -c advice.detachedHead=false checkout --quiet --detach "$commit"
found=$(git rev-parse HEAD)
if [ "$found" != "$commit" ]; then
  echo "checkout: $repository gave $found instead of $commit" >&2
  exit 65
fi
rm -rf .git
