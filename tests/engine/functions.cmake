# SPDX-License-Identifier: Apache-2.0

# Activations, losses, initial weights, schedules, dropout, standardisation.
find_package(hwy CONFIG REQUIRED)
backprop_add_test(engine_functions_test
  SOURCES activation_test.cc loss_test.cc function_golden_test.cc
          network_settings_test.cc exact_functions.cc
  LIBRARIES backprop_engine hwy::hwy)
target_compile_definitions(engine_functions_test PRIVATE
  "BACKPROP_GOLDEN_FOLDER=\"${CMAKE_CURRENT_SOURCE_DIR}/golden\"")

backprop_add_test(engine_settings_test
  SOURCES initial_weights_test.cc schedule_test.cc dropout_test.cc
          standardiser_test.cc standardised_input_test.cc philox_test.cc
  LIBRARIES backprop_engine hwy::hwy)
target_compile_definitions(engine_settings_test PRIVATE
  "BACKPROP_GOLDEN_FOLDER=\"${CMAKE_CURRENT_SOURCE_DIR}/golden\"")
# Formulas of the manual are compared bit for bit.
target_compile_options(engine_settings_test PRIVATE -ffp-contract=off)
