# SPDX-License-Identifier: Apache-2.0
# backprop_openblas: the OpenBLAS that matrix products are computed by.
#
#   distribution  the one that pkg-config finds
#   wheel         the one that deploy/install_openblas.sh puts into
#                 build/openblas, the same for every build folder; there if it is
#                 the one that deploy/openblas_wheel.txt pins
#
# Where BACKPROP_OPENBLAS does not say which, it is the distribution's if that is
# new enough; else the wheel; else the distribution's all the same. The first
# configuration takes BACKPROP_OPENBLAS from the environment too.
#
# BACKPROP_OPENBLAS_CURRENT: whether it is new enough.
# BACKPROP_OPENBLAS_WHEEL: whether it is the wheel, then with
# BACKPROP_OPENBLAS_LIBRARY and BACKPROP_OPENBLAS_LICENCE, which are installed
# with what links it.
set(BACKPROP_OPENBLAS "$ENV{BACKPROP_OPENBLAS}" CACHE STRING
    "Which OpenBLAS: distribution, wheel, or empty for the better one")
set_property(CACHE BACKPROP_OPENBLAS PROPERTY STRINGS "" distribution wheel)

cmake_path(GET CMAKE_CURRENT_LIST_DIR PARENT_PATH openblas_root)
file(STRINGS "${openblas_root}/deploy/install_openblas.sh" openblas_oldest
     REGEX "^readonly oldest=")
string(REGEX REPLACE ".*=" "" openblas_oldest "${openblas_oldest}")

find_package(PkgConfig REQUIRED)
pkg_check_modules(DISTRIBUTION_OPENBLAS QUIET IMPORTED_TARGET openblas)

# What was unpacked has a copy of the pins that it was unpacked by.
set(openblas_wheel "${openblas_root}/build/openblas")
set(openblas_pins "${openblas_root}/deploy/openblas_wheel.txt")
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS "${openblas_pins}")
if(EXISTS "${openblas_wheel}/pins.txt")
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS
               "${openblas_wheel}/pins.txt")
  file(SHA256 "${openblas_pins}" openblas_pinned)
  file(SHA256 "${openblas_wheel}/pins.txt" openblas_unpacked)
  if(openblas_unpacked STREQUAL openblas_pinned)
    find_package(OpenBLAS CONFIG QUIET NO_DEFAULT_PATH
                 PATHS "${openblas_wheel}/scipy_openblas32/lib/cmake/openblas")
  endif()
endif()

set(openblas_choice "${BACKPROP_OPENBLAS}")
if(openblas_choice STREQUAL "")
  set(openblas_choice distribution)
  if(OpenBLAS_FOUND AND
     (NOT DISTRIBUTION_OPENBLAS_FOUND OR DISTRIBUTION_OPENBLAS_VERSION VERSION_LESS openblas_oldest))
    set(openblas_choice wheel)
  endif()
endif()

add_library(backprop_openblas INTERFACE)
if(openblas_choice STREQUAL "wheel")
  if(NOT OpenBLAS_FOUND)
    message(FATAL_ERROR "BACKPROP_OPENBLAS is wheel, but the one that "
      "deploy/openblas_wheel.txt pins is not in build/openblas: "
      "BACKPROP_OPENBLAS=wheel deploy/install_openblas.sh "
      "puts it there")
  endif()
  target_link_libraries(backprop_openblas INTERFACE OpenBLAS::OpenBLAS)
  # So that NumPy's own stays apart from others in a process, the wheel's
  # functions have a prefix, in its headers too. These are what we call.
  foreach(function IN ITEMS
          cblas_saxpy cblas_sgemm cblas_sgemv cblas_sger openblas_get_config
          openblas_get_corename openblas_set_num_threads)
    target_compile_definitions(backprop_openblas INTERFACE
      ${function}=scipy_${function})
  endforeach()
  set(BACKPROP_OPENBLAS_WHEEL TRUE)
  set(BACKPROP_OPENBLAS_CURRENT TRUE)
  set(BACKPROP_OPENBLAS_LIBRARY "${OpenBLAS_LIBRARIES}")
  file(GLOB BACKPROP_OPENBLAS_LICENCE
    "${openblas_wheel}/*.dist-info/licenses/LICENSE.txt")
  list(LENGTH BACKPROP_OPENBLAS_LICENCE openblas_licences)
  if(NOT openblas_licences EQUAL 1)
    message(FATAL_ERROR "build/openblas has ${openblas_licences} licences "
      "(*.dist-info/licenses/LICENSE.txt) instead of one, which is installed "
      "with the library; after rm -rf build/openblas "
      "deploy/install_openblas.sh unpacks it anew")
  endif()
  message(STATUS "OpenBLAS: ${OpenBLAS_VERSION}, the wheel in build/openblas")
elseif(NOT openblas_choice STREQUAL "distribution")
  message(FATAL_ERROR "BACKPROP_OPENBLAS is '${openblas_choice}'; use "
    "distribution or wheel, or leave it empty")
elseif(NOT DISTRIBUTION_OPENBLAS_FOUND)
  message(FATAL_ERROR "There is no OpenBLAS: deploy/install_openblas.sh "
    "installs it (Debian's package is libopenblas-pthread-dev)")
else()
  target_link_libraries(backprop_openblas INTERFACE PkgConfig::DISTRIBUTION_OPENBLAS)
  set(BACKPROP_OPENBLAS_WHEEL FALSE)
  message(STATUS "OpenBLAS: ${DISTRIBUTION_OPENBLAS_VERSION}, the distribution's")
  set(BACKPROP_OPENBLAS_CURRENT TRUE)
  if(DISTRIBUTION_OPENBLAS_VERSION VERSION_LESS openblas_oldest)
    set(BACKPROP_OPENBLAS_CURRENT FALSE)
  endif()
  if(NOT BACKPROP_OPENBLAS_CURRENT AND BACKPROP_OPENBLAS STREQUAL "")
    message(WARNING "OpenBLAS ${DISTRIBUTION_OPENBLAS_VERSION} is older than "
      "${openblas_oldest}: newer processors get the kernels of older ones, with "
      "which forward and backward passes take up to twice the time. "
      "deploy/install_openblas.sh installs a current one; "
      "-DBACKPROP_OPENBLAS=distribution takes this one without a word.")
  endif()
endif()
