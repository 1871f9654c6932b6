/*
 * base/math_stub.c - the mathematical functions of SQL, answered with "not a number".
 *
 * Why     SQLite offers acos() to tanh() in SQL and so refers to libm's, each in several variants for several processors:
 *         300 KB. Our statements (manager/store/store_sqlite.c) are fixed and use none; SQLite makes NULL of NaN.
 * Rules   nothing of ours computes with these; a file that must shall first remove its function here
 * Not     in the sanitized build, whose libm is dynamic
 */
#include <math.h>

#define OF_ONE(name)            \
	double name(double x)   \
	{                       \
		(void)x;        \
		return NAN;     \
	}
#define OF_TWO(name)                      \
	double name(double x, double y)   \
	{                                 \
		(void)x;                  \
		(void)y;                  \
		return NAN;               \
	}

OF_ONE(acos)
OF_ONE(acosh)
OF_ONE(asin)
OF_ONE(asinh)
OF_ONE(atan)
OF_ONE(atanh)
OF_ONE(cos)
OF_ONE(cosh)
OF_ONE(exp)
OF_ONE(log)
OF_ONE(log10)
OF_ONE(log2)
OF_ONE(sin)
OF_ONE(sinh)
OF_ONE(sqrt)
OF_ONE(tan)
OF_ONE(tanh)
OF_ONE(trunc)
OF_TWO(atan2)
OF_TWO(fmod)
OF_TWO(pow)
