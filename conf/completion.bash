# Tab completion of commands, settings and choices after `python -m`, in bash (in zsh after `autoload -U bashcompinit;
# bashcompinit`): source conf/completion.bash
# A tab takes as long as the command's --help; `method=` lists choices, `training.` settings, `seed=` its value.

_jaxpick_completion() {
  local line=${COMP_LINE:0:$COMP_POINT} words found
  read -r -a words <<< "$line"
  [[ $line == *' ' ]] && words+=('')
  local word=${words[-1]}
  [[ ${words[1]} == -m && ${#words[@]} -gt 2 ]] || return
  if ((${#words[@]} == 3)); then
    found=$(cd experiments 2>/dev/null && printf 'experiments.%s\n' [!_]*.py | sed 's/\.py$//')
  else
    found=$(COMP_LINE="python ${words[2]} ${line#*"${words[2]}"}" "${words[0]}" -m "${words[2]}" -sc query=bash 2>/dev/null)
  fi
  mapfile -t COMPREPLY < <(compgen -W "$found" -- "$word")
  # Readline takes what stands after = for a word of its own.
  [[ $word == *=* && $COMP_WORDBREAKS == *=* ]] && COMPREPLY=("${COMPREPLY[@]#"${word%=*}="}")
}
complete -o nospace -o default -F _jaxpick_completion python python3 .venv/bin/python
