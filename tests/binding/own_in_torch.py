"""Classes that extend torch's optimizer, an instance, and a function that makes one, as a person's file has them."""

import torch


class Outside(torch.optim.Optimizer):
    """RMSprop with epsilon after the root; its moment is named as torch names it."""

    key = "square_avg"

    def __init__(self, params, lr=1e-3, alpha=0.9, eps=1e-7):
        super().__init__(params, {"lr": lr, "alpha": alpha, "eps": eps})

    @torch.no_grad()
    def step(self, closure=None):
        for group in self.param_groups:
            for p in group["params"]:
                v = self.state[p].setdefault(self.key, torch.zeros_like(p))
                v.mul_(group["alpha"]).addcmul_(p.grad, p.grad, value=1 - group["alpha"])
                p.addcdiv_(p.grad, self.root(v, group["eps"]), value=-group["lr"])

    def root(self, v, eps):
        return v.sqrt() + eps


class Right(Outside):
    def root(self, v, eps):
        return (v + eps).sqrt()


class Unnamed(Right):
    key = "v"


class Stubborn(Right):
    """Keeps its learning rate where torch's schedulers do not change it."""

    def __init__(self, params, lr=1e-3, alpha=0.9, eps=1e-7):
        super().__init__(params, lr, alpha, eps)
        self.rate = self.param_groups[0].pop("lr")

    def step(self, closure=None):
        self.param_groups[0]["lr"] = self.rate
        super().step()
        del self.param_groups[0]["lr"]


def made(weights, lr=0.01, rho=0.9, eps=1e-7):
    return torch.optim.RMSprop(weights, lr=lr, alpha=rho, eps=eps)


instance = Outside([torch.nn.Parameter(torch.zeros(1))], lr=0.5)
