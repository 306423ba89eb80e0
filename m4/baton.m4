# SPDX-License-Identifier: Apache-2.0

# BATON_CHECK_OVS
#
# Finds a built libopenvswitch: --with-ovs-source and --with-ovs-build, or
# what build-aux/build-ovs has in its cache.
AC_DEFUN([BATON_CHECK_OVS],
  [AC_ARG_WITH([ovs-source],
     [AS_HELP_STRING([--with-ovs-source=DIR],
        [Open vSwitch source tree (default: build Debian's
         openvswitch-source into a cache)])])
   AC_ARG_WITH([ovs-build],
     [AS_HELP_STRING([--with-ovs-build=DIR],
        [Open vSwitch build tree (default: the source tree)])])
   if test -z "$with_ovs_source"; then
     AC_MSG_NOTICE([looking for libopenvswitch by build-aux/build-ovs])
     baton_ovs=`"$srcdir/build-aux/build-ovs"` ||
       AC_MSG_ERROR([no libopenvswitch; give --with-ovs-source=DIR])
     for baton_opt in $baton_ovs; do
       case $baton_opt in
         --with-ovs-source=*) with_ovs_source=${baton_opt#*=} ;;
         --with-ovs-build=*) with_ovs_build=${baton_opt#*=} ;;
       esac
     done
   fi
   OVS_SOURCE=`cd "$with_ovs_source" && pwd` ||
     AC_MSG_ERROR([$with_ovs_source: no such directory])
   OVS_BUILD=`cd "${with_ovs_build:-$with_ovs_source}" && pwd` ||
     AC_MSG_ERROR([$with_ovs_build: no such directory])
   AC_MSG_CHECKING([for libopenvswitch in $OVS_BUILD])
   if test ! -f "$OVS_BUILD/lib/.libs/libopenvswitch.a" ||
      test ! -f "$OVS_BUILD/config.h"; then
     AC_MSG_RESULT([no])
     AC_MSG_ERROR([$OVS_BUILD holds no built libopenvswitch.a; run
"configure --disable-shared && make lib/libopenvswitch.la" there])
   fi
   AC_MSG_RESULT([yes])
   # libopenvswitch's headers want to see what it was configured with.
   sed '/define PACKAGE/d; /define VERSION/d' "$OVS_BUILD/config.h" \
     > ovs-config.h
   OVS_CFLAGS="-isystem $OVS_SOURCE/include -isystem $OVS_BUILD/include"
   OVS_CFLAGS="$OVS_CFLAGS -isystem $OVS_SOURCE/lib -isystem $OVS_BUILD/lib"
   OVS_LIBS="$OVS_BUILD/lib/.libs/libopenvswitch.a"
   OVS_LIBS="$OVS_LIBS `sed -n "s/^LIBS = //p" "$OVS_BUILD/Makefile"`"
   AC_SUBST([OVS_SOURCE])
   AC_SUBST([OVS_BUILD])
   AC_SUBST([OVS_CFLAGS])
   AC_SUBST([OVS_LIBS])])

# BATON_CHECK_WERROR
AC_DEFUN([BATON_CHECK_WERROR],
  [AC_ARG_ENABLE([Werror],
     [AS_HELP_STRING([--enable-Werror], [treat warnings as errors])])
   WARNING_CFLAGS="-Wall -Wextra -Wno-sign-compare -Wformat -Wformat-security"
   WARNING_CFLAGS="$WARNING_CFLAGS -Wswitch-enum -Wstrict-prototypes"
   WARNING_CFLAGS="$WARNING_CFLAGS -Wmissing-prototypes -Wshadow"
   WARNING_CFLAGS="$WARNING_CFLAGS -Wno-unused-parameter -Wpointer-arith"
   WARNING_CFLAGS="$WARNING_CFLAGS -Wmissing-field-initializers -Wvla"
   WARNING_CFLAGS="$WARNING_CFLAGS -Wno-override-init"
   if test "$CC" = clang || $CC --version 2>/dev/null | grep clang >/dev/null
   then
     WARNING_CFLAGS="$WARNING_CFLAGS -Wno-initializer-overrides"
   fi
   if test "X$enable_Werror" = Xyes; then
     WARNING_CFLAGS="$WARNING_CFLAGS -Werror"
   fi
   AC_SUBST([WARNING_CFLAGS])])

# BATON_CHECK_FAULT_INJECTION
AC_DEFUN([BATON_CHECK_FAULT_INJECTION],
  [AC_ARG_ENABLE([fault-injection],
     [AS_HELP_STRING([--enable-fault-injection],
        [let tests make the daemons fail at named points])])
   if test "X$enable_fault_injection" = Xyes; then
     AC_DEFINE([ENABLE_FAULT_INJECTION], [1],
       [Define to let tests make the daemons fail at named points.])
   fi])

# BATON_CHECK_SANITIZERS
AC_DEFUN([BATON_CHECK_SANITIZERS],
  [AC_ARG_ENABLE([asan],
     [AS_HELP_STRING([--enable-asan],
        [build with AddressSanitizer and UndefinedBehaviorSanitizer])])
   SANITIZE_CFLAGS=
   if test "X$enable_asan" = Xyes; then
     SANITIZE_CFLAGS="-fsanitize=address,undefined -fno-omit-frame-pointer"
     SANITIZE_CFLAGS="$SANITIZE_CFLAGS -fno-sanitize-recover=undefined"
   fi
   AC_SUBST([SANITIZE_CFLAGS])])
