/**
 * What shells load to complete `isopod`: each script asks `isopod complete` for the words that may stand where the
 * cursor is, and offers files where there are none.
 *
 * The command is asked as it was typed, so that a path to another Isopod completes what that one has.
 */

/** The shells. */
export const SHELLS = ["bash", "zsh", "fish"] as const;

/** A shell. */
export type Shell = (typeof SHELLS)[number];

const BASH = `# Completes isopod in bash. To have it in every shell:  isopod completion bash >> ~/.bashrc
_isopod() {
  local line
  COMPREPLY=()
  while IFS= read -r line; do
    COMPREPLY+=("\${line%%$'\\t'*}")
  done < <("\${COMP_WORDS[0]}" complete -- "\${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
}
complete -o default -F _isopod isopod
`;

const ZSH = `#compdef isopod
# Completes isopod in zsh. To have it in every shell:  isopod completion zsh >> ~/.zshrc   (after compinit)
_isopod() {
  local line word
  local -a found
  while IFS= read -r line; do
    word=\${line%%$'\\t'*}
    found+=("\${word//:/\\\\:}:\${line#*$'\\t'}")
  done < <("\${words[1]}" complete -- "\${(@)words[2,CURRENT]}" 2>/dev/null)
  if (( \${#found} )); then
    _describe isopod found
  else
    _files
  fi
}
compdef _isopod isopod
`;

const FISH = `# Completes isopod in fish. To have it in every shell:
#   isopod completion fish > ~/.config/fish/completions/isopod.fish
function __isopod_complete
  set -l typed (commandline -opc)
  set -l program $typed[1]
  set -e typed[1]
  set -l found ($program complete -- $typed (commandline -ct) 2>/dev/null)
  if set -q found[1]
    printf '%s\\n' $found
  else
    __fish_complete_path (commandline -ct)
  end
end
complete -c isopod -f -a '(__isopod_complete)'
`;

/** The script of each shell. */
export const COMPLETION_SCRIPTS: Readonly<Record<Shell, string>> = { bash: BASH, zsh: ZSH, fish: FISH };
