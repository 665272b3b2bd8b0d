# Headers, a CMake package and a pkg-config file. The tree may be moved after installation.
include(CMakePackageConfigHelpers)
include(GNUInstallDirs)

set(package_dir "${CMAKE_INSTALL_DATADIR}/cmake/thaw")
install(DIRECTORY "${PROJECT_SOURCE_DIR}/include/thaw" DESTINATION include)
install(DIRECTORY "${PROJECT_SOURCE_DIR}/examples/" DESTINATION include/thaw-examples FILES_MATCHING PATTERN "*.hpp")
install(TARGETS thaw thaw_examples EXPORT thawTargets)
install(EXPORT thawTargets NAMESPACE thaw:: DESTINATION "${package_dir}")

configure_package_config_file("${PROJECT_SOURCE_DIR}/cmake/thawConfig.cmake.in"
                              "${PROJECT_BINARY_DIR}/thawConfig.cmake" INSTALL_DESTINATION "${package_dir}")
write_basic_package_version_file("${PROJECT_BINARY_DIR}/thawConfigVersion.cmake"
                                 COMPATIBILITY SameMinorVersion ARCH_INDEPENDENT)
install(FILES "${PROJECT_BINARY_DIR}/thawConfig.cmake" "${PROJECT_BINARY_DIR}/thawConfigVersion.cmake"
              "${PROJECT_SOURCE_DIR}/cmake/thawComponents.cmake" DESTINATION "${package_dir}")

# The prefix is given relative to the .pc file, so that a moved or staged tree still works.
set(pc_prefix "\${pcfiledir}/../..")
configure_file("${PROJECT_SOURCE_DIR}/cmake/thaw.pc.in" "${PROJECT_BINARY_DIR}/thaw.pc" @ONLY)
install(FILES "${PROJECT_BINARY_DIR}/thaw.pc" DESTINATION "${CMAKE_INSTALL_DATADIR}/pkgconfig")
install(FILES "${PROJECT_SOURCE_DIR}/LICENSE" DESTINATION "${CMAKE_INSTALL_DATADIR}/doc/thaw")
