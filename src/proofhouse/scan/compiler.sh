#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Stands before the compiler @COMPILER@: main gets another name, and what is linked to a program gets the harness.
link=1
source=
for word in "$@"; do
    case $word in
    -c | -E | -S | -M | -MM | -shared | -r) link= ;;
    -*) ;;
    *.o | *.a | *.c | *.cc | *.cpp | *.C | *.lo | *.s) source=1 ;;
    esac
done
if [ -z "$source" ]; then
    exec @COMPILER@ "$@"
fi
if [ -z "$link" ]; then
    exec @COMPILER@ @COVERAGE@ -Dmain=scan_main -include /work/tools/globals.h "$@"
fi
exec @COMPILER@ @COVERAGE@ -Dmain=scan_main -include /work/tools/globals.h "$@" /work/tools/harness.o @LINK@ \
    -Wl,--wrap=exit,--wrap=_exit,--wrap=_Exit,--wrap=atexit,--wrap=err,--wrap=errx
