# llama-cpp-python forces llama.cpp's `common` library on, half of the compile steps, which nothing here calls.
# A normal variable outranks the cache entry that it forces (CMake policies CMP0126 and CMP0077).
set(LLAMA_BUILD_COMMON OFF)
