# SPDX-License-Identifier: Apache-2.0

# A second replica, and runs with any optimiser.
add_library(optimiser_reference STATIC optimiser_twin.cc optimiser_problem.cc)
target_link_libraries(optimiser_reference
  PUBLIC backprop_engine PRIVATE backprop_warnings)
# The twin of the delta contract may not be fused.
target_compile_options(optimiser_reference PRIVATE -ffp-contract=off)

find_package(hwy CONFIG REQUIRED)
backprop_add_test(engine_optimiser_test
  SOURCES optimiser_test.cc
  LIBRARIES optimiser_reference hwy::hwy)

backprop_add_test(engine_step_trainer_test
  SOURCES step_trainer_test.cc step_refusal_test.cc
  LIBRARIES optimiser_reference)

backprop_add_test(engine_allocation_test
  SOURCES allocation_test.cc
  LIBRARIES optimiser_reference)

backprop_add_test(engine_optimiser_torch_test
  SOURCES optimiser_torch_test.cc
  LIBRARIES optimiser_reference)
target_compile_definitions(engine_optimiser_torch_test PRIVATE
  BACKPROP_OPTIMISER_GOLDEN="${CMAKE_CURRENT_SOURCE_DIR}/golden/optimiser_golden.txt")
