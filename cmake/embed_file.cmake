# Writes NAME.cc and NAME.h into DIR, holding the bytes of FILE.
file(READ ${FILE} hex HEX)
string(REGEX REPLACE "([0-9a-f][0-9a-f])" "'\\\\x\\1'," bytes "${hex}")
string(REGEX REPLACE "((........){24})" "\\1\n" bytes "${bytes}")
file(WRITE ${DIR}/${NAME}.h "#pragma once\n#include <string_view>\nnamespace paperboy::embedded {\nextern const std::string_view ${NAME};\n}\n")
file(WRITE ${DIR}/${NAME}.cc "#include \"embedded/${NAME}.h\"\nnamespace paperboy::embedded {\nstatic const char kBytes[] = {${bytes}'\\0'};\nconst std::string_view ${NAME}(kBytes, sizeof kBytes - 1);\n}\n")
