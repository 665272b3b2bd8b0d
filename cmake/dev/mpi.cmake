# thaw::mpi for this repository's own programs and tests, where MPI is installed; else trainers are built for one process
# and the tests of several processes are left out.
option(THAW_MPI "Train over several processes where MPI is found" ON)
if(THAW_MPI AND NOT THAW_SANITIZE)  # sanitizers report what MPI itself leaks
  thaw_add_components(missing_mpi "mpi")
  if(NOT TARGET thaw::mpi)
    message(STATUS "Training over several processes is left out: it needs MPI (on Debian or Ubuntu: apt-get install "
                   "libopenmpi-dev openmpi-bin)")
  endif()
endif()

# thaw_use_mpi(<target>): links it where it is there.
function(thaw_use_mpi target)
  if(TARGET ${target} AND TARGET thaw::mpi)
    target_link_libraries(${target} PRIVATE thaw::mpi)
  endif()
endfunction()
