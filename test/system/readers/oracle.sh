# Reads every file of the folder it is started in as `set -a; . ./file` would, each in a subshell without programs.
# Answers with NUL-separated records: `file NAME`, then KEY=value for each exported variable, then `end STATUS`.
PATH=
set -f
