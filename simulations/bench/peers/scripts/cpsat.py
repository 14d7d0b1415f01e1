"""CP-SAT on the whole model, through OR-Tools' linear interface, which scales coefficients to integers by itself."""

from matrix import INFINITE, answer, asked, build, counts
from ortools.linear_solver import pywraplp

WORKERS = 4
"""It is a portfolio of searches: with a single one it is not what its makers recommend."""

SCALING = 1000
"""CP-SAT knows integers only: shares of traffic are counted in thousandths."""


def solve(request, may_miss):
    matrix, replicas, nodes = build(request["model"], may_miss)
    solver = pywraplp.Solver.CreateSolver("SAT")
    solver.SetTimeLimit(int(request["seconds"] * 1000))
    solver.SetSolverSpecificParametersAsString(
        f"num_workers:{WORKERS} random_seed:{request['seed']} relative_gap_limit:{request.get('gap', 1e-4)} mip_var_scaling:{SCALING}"
    )
    infinite = solver.infinity()
    columns = [
        solver.Var(lower, infinite if upper == INFINITE else upper, integer, "")
        for lower, upper, integer in zip(matrix.lower, matrix.upper, matrix.integer, strict=True)
    ]
    for lower, upper, terms in matrix.rows:
        row = solver.RowConstraint(-infinite if lower == -INFINITE else lower, infinite if upper == INFINITE else upper, "")
        for column, value in terms:
            row.SetCoefficient(columns[column], row.GetCoefficient(columns[column]) + value)
    objective = solver.Objective()
    for column, cost in zip(columns, matrix.cost, strict=True):
        objective.SetCoefficient(column, cost)
    objective.SetMinimization()
    status = solver.Solve()
    if status not in (solver.OPTIMAL, solver.FEASIBLE):
        return status, {}, {}, None
    value = [column.solution_value() for column in columns]
    return status, counts([value[x] for x in replicas]), counts([value[n] for n in nodes]), objective.BestBound()


def main():
    request = asked()
    status, replicas, nodes, bound = solve(request, False)
    if status == pywraplp.Solver.INFEASIBLE:
        status, replicas, nodes, bound = solve(request, True)
    names = {0: "optimal", 1: "feasible", 2: "infeasible", 3: "unbounded", 4: "abnormal", 5: "invalid", 6: "not solved"}
    answer(names.get(status, str(status)), replicas, nodes, bound)


main()
