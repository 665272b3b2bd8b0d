# How this repository compiles its own programs: thaw_dev_options(<target>). Nothing here reaches a target that others
# link.
option(THAW_WARNINGS_AS_ERRORS "Stop at a warning" OFF)
option(THAW_SMALL "Build without exceptions and run-time types" OFF)
set(THAW_SANITIZE "" CACHE STRING "Sanitizers, as for -fsanitize=")

add_library(thaw_dev INTERFACE)
target_compile_options(thaw_dev INTERFACE -Wall -Wextra -Wconversion -Wshadow
                                          $<$<BOOL:${THAW_WARNINGS_AS_ERRORS}>:-Werror>)
if(THAW_SMALL)
  target_compile_options(thaw_dev INTERFACE -fno-exceptions -fno-rtti)
  # doctest otherwise removes REQUIRE where it cannot throw.
  target_compile_definitions(thaw_dev INTERFACE DOCTEST_CONFIG_NO_EXCEPTIONS_BUT_WITH_ALL_ASSERTS)
endif()
if(THAW_SANITIZE)
  target_compile_options(thaw_dev INTERFACE -fsanitize=${THAW_SANITIZE} -fno-sanitize-recover=all
                                            -fno-omit-frame-pointer)
  target_link_options(thaw_dev INTERFACE -fsanitize=${THAW_SANITIZE})
  if(THAW_SANITIZE MATCHES "address" AND CMAKE_CXX_COMPILER_ID MATCHES "Clang")
    # Checks of memory as calls: half the time to compile.
    target_compile_options(thaw_dev INTERFACE "SHELL:-mllvm -asan-instrumentation-with-call-threshold=0")
  endif()
endif()

function(thaw_dev_options target)
  target_link_libraries(${target} PRIVATE thaw_dev)
  set_target_properties(${target} PROPERTIES CXX_EXTENSIONS OFF)
endfunction()

if(PROJECT_IS_TOP_LEVEL)
  find_program(CCACHE_PROGRAM ccache)
  mark_as_advanced(CCACHE_PROGRAM)
  if(CCACHE_PROGRAM AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
    # Paths below the source folder do not count, so that one clone finds what another has compiled.
    set(CMAKE_CXX_COMPILER_LAUNCHER "${CMAKE_COMMAND}" -E env "CCACHE_BASEDIR=${PROJECT_SOURCE_DIR}" CCACHE_NOHASHDIR=1
                                    "${CCACHE_PROGRAM}")
  endif()
endif()
