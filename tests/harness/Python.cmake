# Debian's python3, not a newer one that may stand before it in the path: the tests need no more.
find_program(QM_PYTHON python3 PATHS /usr/bin NO_DEFAULT_PATH REQUIRED)

option(QM_LONG "tests take their long forms" OFF)

# A Python script as a test. It finds the harness, the build folder and the peers by its environment,
# and is skipped, in words, when it ends with 77 (sandbox.py: only where QM_ALLOW_NO_ROOT=1 is set).
#   PEERS    it unpacks Debian's peers: fetched before the first such test, by the fixture of that name
#   TIMEOUT  seconds, 120 without it; LONG_TIMEOUT those of its long form
#   ALONE    it loads the machine so that no other test may run beside it
function(qm_python_test name script)
  cmake_parse_arguments(ARG "PEERS;ALONE" "TIMEOUT;LONG_TIMEOUT" "ARGS" ${ARGN})
  if(NOT ARG_TIMEOUT)
    set(ARG_TIMEOUT 120)
  endif()
  if(QM_LONG AND ARG_LONG_TIMEOUT)
    set(ARG_TIMEOUT ${ARG_LONG_TIMEOUT})
  endif()
  add_test(NAME ${name} COMMAND ${QM_PYTHON} ${script} ${ARG_ARGS} WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
  set_tests_properties(${name} PROPERTIES TIMEOUT ${ARG_TIMEOUT} SKIP_RETURN_CODE 77 ENVIRONMENT
    "PYTHONPATH=${CMAKE_SOURCE_DIR}/tests;PYTHONDONTWRITEBYTECODE=1;QM_BUILD_DIR=${CMAKE_BINARY_DIR}")
  if(QM_LONG)
    set_property(TEST ${name} APPEND PROPERTY ENVIRONMENT "QM_LONG=1")
  endif()
  if(ARG_PEERS)
    set_property(TEST ${name} APPEND PROPERTY FIXTURES_REQUIRED peers)
  endif()
  if(ARG_ALONE)
    set_property(TEST ${name} PROPERTY RUN_SERIAL TRUE)
  endif()
endfunction()

# Scripts of the running folder named NN-name.py or test_name.py, one test each.
function(qm_python_tests prefix pattern)
  file(GLOB scripts CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/${pattern})
  foreach(script IN LISTS scripts)
    get_filename_component(stem ${script} NAME_WE)
    string(REGEX REPLACE "^test_" "" stem ${stem})
    qm_python_test(${prefix}.${stem} ${script} ${ARGN})
  endforeach()
endfunction()
