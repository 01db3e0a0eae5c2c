# cmake -DPROGRAM=cdsr -DSOURCE=jobs/install -DTARGET=FOLDER -P manual.cmake
#
# Makes the manual's pages and the completion for bash of the program's tables.
function(say variable)
  execute_process(COMMAND ${PROGRAM} ${ARGN} OUTPUT_VARIABLE text COMMAND_ERROR_IS_FATAL ANY)
  set(${variable} "${text}" PARENT_SCOPE)
endfunction()

say(program --words)
say(page --man)
file(WRITE ${TARGET}/man/cdsr.1 "${page}")
string(REGEX MATCHALL "- [a-z]+" jobs "${program}")
foreach(job ${jobs})
  string(SUBSTRING ${job} 2 -1 job)
  say(page ${job} --man)
  file(WRITE ${TARGET}/man/cdsr-${job}.1 "${page}")
  say(more ${job} --words)
  string(APPEND words "${more}")
endforeach()
string(APPEND words "${program}")
configure_file(${SOURCE}/completion.bash.in ${TARGET}/cdsr.bash @ONLY)
