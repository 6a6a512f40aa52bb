# paperboy_embed(TARGET NAME FILE): compiles FILE into TARGET as
#   namespace paperboy::embedded { extern const std::string_view NAME; }
# so that a binary carries its defaults and needs no installed files. The
# declaration is generated too: #include "embedded/NAME.h".
function(paperboy_embed target name file)
  set(dir ${CMAKE_CURRENT_BINARY_DIR}/generated/embedded)
  get_filename_component(path ${file} ABSOLUTE BASE_DIR ${CMAKE_SOURCE_DIR})
  add_custom_command(
    OUTPUT ${dir}/${name}.cc ${dir}/${name}.h
    COMMAND ${CMAKE_COMMAND} -DNAME=${name} -DFILE=${path} -DDIR=${dir} -P ${CMAKE_SOURCE_DIR}/cmake/embed_file.cmake
    DEPENDS ${path} ${CMAKE_SOURCE_DIR}/cmake/embed_file.cmake
    VERBATIM)
  target_sources(${target} PRIVATE ${dir}/${name}.cc ${dir}/${name}.h)
  target_include_directories(${target} PUBLIC ${CMAKE_CURRENT_BINARY_DIR}/generated)
endfunction()
